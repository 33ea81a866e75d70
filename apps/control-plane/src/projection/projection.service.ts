import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import { failPoint } from '@tensorloop/nest-kit/fail-points';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { CONFIG, type Config } from '../config.js';
import { ProjectionRepository } from './projection.repository.js';
import { type ProjectedKey, toProjection } from './projection.rules.js';
import type { PendingProjection, PresentedKey } from './projection.types.js';

/** How long the API waits for Redis to hold a change before it answers 503. */
export const DELIVERY_WAIT_MS = 2_000;
const DELIVERY_RETRY_MS = 100;
/** Changes of one request that are carried at the same time. */
const DELIVERIES_AT_ONCE_MAX = 8;
/** Outbox rows per round of the relay. */
const DRAIN_BATCH_MAX = 100;
/** How often a key is written again that changes while it is written. */
const WRITE_ROUNDS_MAX = 5;

/**
 * Carries key state from PostgreSQL, which is the truth, to Redis, where gateways read it. A projection is always made
 * from the row as it is now, so order does not matter: versions keep an older one from overwriting a newer one.
 */
@Injectable()
export class ProjectionService {
  constructor(
    @Inject(ProjectionRepository) private readonly repository: ProjectionRepository,
    @Inject(AdmissionClient) private readonly admission: AdmissionClient,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** True once Redis holds the change that `pending` announced; false when it did not within DELIVERY_WAIT_MS. The relay keeps trying. */
  async deliver(pending: PendingProjection): Promise<boolean> {
    failPoint('control-plane.after_outbox_commit');
    const deadlineMs = performance.now() + DELIVERY_WAIT_MS;
    for (;;) {
      try {
        await this.project(pending);
        failPoint('control-plane.after_projection');
        // Its fate does not matter: a row that stays is delivered once more by the relay, to no effect.
        await this.repository
          .removePending([pending.outboxId])
          .catch((err: unknown) => this.logger.warn({ err }, 'an outbox row was not removed'));
        return true;
      } catch (err) {
        if (performance.now() + DELIVERY_RETRY_MS >= deadlineMs) {
          this.logger.warn({ err, keyId: pending.keyId }, 'Redis does not hold the change of a key yet');
          return false;
        }
        await sleep(DELIVERY_RETRY_MS);
      }
    }
  }

  /**
   * As `deliver`, for a change that concerns many keys: all are tried, DELIVERIES_AT_ONCE_MAX at a time, until one does not
   * arrive. True once Redis holds them all.
   */
  async deliverAll(pending: readonly PendingProjection[]): Promise<boolean> {
    const queue = [...pending];
    let hasFailed = false;
    const work = async () => {
      for (let next = queue.shift(); next !== undefined && !hasFailed; next = queue.shift()) {
        if (!(await this.deliver(next))) hasFailed = true;
      }
    };
    await Promise.all(Array.from({ length: Math.min(DELIVERIES_AT_ONCE_MAX, pending.length) }, work));
    return !hasFailed;
  }

  /** One round of the relay. Returns how many rows it delivered; rejects afterwards when some could not be. */
  async drain(): Promise<number> {
    const rows = await this.repository.listPending(DRAIN_BATCH_MAX);
    const delivered: string[] = [];
    const failures: unknown[] = [];
    for (const row of rows) {
      // One that fails must not hold up those behind it.
      await this.project(row).then(
        () => delivered.push(row.outboxId),
        (err: unknown) => failures.push(err),
      );
    }
    if (delivered.length > 0) await this.repository.removePending(delivered);
    if (failures.length > 0)
      throw new Error(`${failures.length} of ${rows.length} projections were not delivered`, { cause: failures[0] });
    return delivered.length;
  }

  /** For a key that a gateway met and Redis does not know. False when there is no such key. Rejects when Redis does not take it. */
  async projectByHash(presented: PresentedKey): Promise<boolean> {
    const key = await this.findPresented(presented);
    if (key === null) return false;
    await this.write(key, presented.keyHash);
    return true;
  }

  /**
   * By either hash. A key that was minted under a pepper before is hashed again, once; one that is known by the pepper of today
   * stays as it is, although a gateway that still goes by the one before asks for it.
   */
  private async findPresented({ accountTag, keyHash, previousKeyHash }: PresentedKey): Promise<ProjectedKey | null> {
    const key = await this.repository.findKeyByHash(accountTag, keyHash);
    if (key !== null || previousKeyHash === undefined) return key;
    const before = await this.repository.findKeyByHash(accountTag, previousKeyHash);
    // Between the two looks it may have been hashed again.
    if (before === null) return this.repository.findKeyByHash(accountTag, keyHash);
    const hashVersion = this.config.KEY_PEPPER_VERSION;
    if (before.hashVersion >= hashVersion) return before;
    await this.admission.noteAlias(toProjection(before), previousKeyHash);
    await this.repository.rehashKey(before, { keyHash, hashVersion });
    return this.repository.findKey(before.accountId, before.id);
  }

  private async project({ accountId, keyId }: PendingProjection): Promise<void> {
    const key = await this.repository.findKey(accountId, keyId);
    // Keys are never deleted, so a row without one cannot be delivered, ever.
    if (key === null) return this.logger.error({ keyId }, 'an outbox row names a key that does not exist');
    await this.write(key);
  }

  /**
   * Writes the key as it is, also under `askedHash` where a gateway knows it by that. Whoever changed it meanwhile may have
   * removed what was not there yet: so the row is read again, and all of it is done again where it has changed.
   */
  private async write(key: ProjectedKey, askedHash?: string): Promise<void> {
    let current = key;
    for (let round = 0; round < WRITE_ROUNDS_MAX; round++) {
      await this.writeOnce(current, askedHash ?? current.keyHash);
      const after = await this.repository.findKey(current.accountId, current.id);
      if (after === null || after.version === current.version) return;
      if (after.keyHash !== current.keyHash) await this.admission.forgetKey(current.accountTag, current.keyHash);
      current = after;
    }
    throw new Error(`key ${key.id} changed ${WRITE_ROUNDS_MAX} times while it was written to Redis`);
  }

  /** Under other hashes Redis holds nothing of the key afterwards, or a revocation would not reach it there. */
  private async writeOnce(key: ProjectedKey, askedHash: string): Promise<void> {
    const projection = toProjection(key);
    await this.admission.projectKey(projection);
    await this.admission.forgetAliases(projection, [key.keyHash, askedHash]);
    if (askedHash === key.keyHash) return;
    await this.admission.noteAlias(projection, askedHash);
    await this.admission.projectAlias({ ...projection, keyHash: askedHash });
  }
}
