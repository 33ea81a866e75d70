import { Inject, Injectable } from '@nestjs/common';
import type { KeyDetail, KeyListQuery, KeyMintOptions, KeyPage, KeyPatch } from '@tensorloop/contracts/api/keys';
import { KEY_USAGE_KEYS_MAX } from '@tensorloop/contracts/rpc';
import { requireVersion } from '@tensorloop/nest-kit/if-match';
import { CLOCK, type Clock } from '../clock.js';
import { ModelsService } from '../models/models.service.js';
import { CURSORS } from '../pages/cursor.types.js';
import { cutToPlan, type PlanCeilings } from '../plans/plans.types.js';
import { ProjectionService } from '../projection/projection.service.js';
import { KeyUsageService } from '../usage/key-usage.service.js';
import type { KeyUsage } from '../usage/key-usage.types.js';
import { toKey, toKeyPage, toMintOptions } from './keys.dto.js';
import { KeysRepository } from './keys.repository.js';
import { keyChange, MINT_HOUR_MS, refuseInactive } from './keys.rules.js';
import type { KeyRefusal, StoredKey } from './keys.types.js';
import type { AnnouncedKey, LockedAccount } from './locked-account.repository.js';
import { refusePlacing } from './placing.js';

export type PatchResult =
  | { outcome: 'changed'; key: KeyDetail }
  | { outcome: 'refused'; refusal: KeyRefusal }
  | { outcome: 'not_found' | 'not_active' };
export type RevokeResult = 'revoked' | 'not_found' | 'not_active';

type Update = { refusal: KeyRefusal } | (AnnouncedKey & { plan: PlanCeilings });

@Injectable()
export class KeysService {
  constructor(
    @Inject(KeysRepository) private readonly repository: KeysRepository,
    @Inject(ModelsService) private readonly models: ModelsService,
    @Inject(ProjectionService) private readonly projection: ProjectionService,
    @Inject(KeyUsageService) private readonly usage: KeyUsageService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Everything that a dialog for minting shows, so that it asks once. */
  async getMintOptions(accountId: string): Promise<KeyMintOptions> {
    const nowMs = this.clock();
    const [known, view] = await Promise.all([
      this.models.listIds(),
      this.repository.getMintView(accountId, { nowMs, hourMs: MINT_HOUR_MS }),
    ]);
    return toMintOptions(view, known, nowMs);
  }

  /** Newest first. What keys have spent is null where nobody can say; the list itself needs the database alone. */
  async list(accountId: string, query: KeyListQuery): Promise<KeyPage> {
    const nowMs = this.clock();
    const { keys, hasMore, plan } = await this.repository.listKeys(accountId, {
      includesInactive: query.include === 'inactive',
      nowMs,
      projectId: query.projectId ?? query.project ?? null,
      tag: query.tag ?? null,
      before: CURSORS.keys.read(query.cursor),
      limit: query.limit,
    });
    return toKeyPage(await this.show(accountId, keys, plan), hasMore);
  }

  async find(accountId: string, keyId: string): Promise<KeyDetail | null> {
    const found = await this.repository.findKey(accountId, keyId);
    return found === null ? null : this.showOne(accountId, found.key, found.plan);
  }

  /** `changed` once every gateway goes by it at its next call: lowered limits and another project bind there and then. */
  async change(accountId: string, keyId: string, request: KeyPatch & { seenVersion: number | null }): Promise<PatchResult> {
    const updated = await this.repository.withLockedAccount(accountId, (account) => this.update(account, keyId, request));
    if (updated === null) return { outcome: 'not_found' };
    if ('refusal' in updated) return { outcome: 'refused', refusal: updated.refusal };
    if (!(await this.projection.deliver(updated.pending))) return { outcome: 'not_active' };
    return { outcome: 'changed', key: await this.showOne(accountId, updated.key, updated.plan) };
  }

  /** `revoked` once Redis holds the revocation: the key is refused on the very next call. */
  async revoke(accountId: string, keyId: string): Promise<RevokeResult> {
    const pending = await this.repository.revokeKey(accountId, keyId, this.clock());
    if (pending === null) return 'not_found';
    return (await this.projection.deliver(pending)) ? 'revoked' : 'not_active';
  }

  private async update(
    account: LockedAccount,
    keyId: string,
    { seenVersion, ...request }: KeyPatch & { seenVersion: number | null },
  ): Promise<Update | null> {
    const key = await account.findKey(keyId);
    if (key === null) return null;
    requireVersion(key.version, seenVersion);
    const inactive = refuseInactive(key, this.clock());
    if (inactive !== null) return { refusal: inactive };
    const result = keyChange(request, account.plan);
    if (!result.ok) return { refusal: result.refusal };
    const refusal = await refusePlacing(account, result.change);
    if (refusal !== null) return { refusal };
    return { ...(await account.updateKey(key, result.change)), plan: account.plan };
  }

  private async show(accountId: string, keys: readonly StoredKey[], plan: PlanCeilings): Promise<KeyDetail[]> {
    const nowMs = this.clock();
    // By the budget that gateways go by.
    const budgeted = keys.map((key) => ({ ...key, budgetNanoUsd: cutToPlan(key, plan).budgetNanoUsd }));
    const usages = new Map<string, KeyUsage>();
    // As many at once as metering takes in one question.
    for (let at = 0; at < budgeted.length; at += KEY_USAGE_KEYS_MAX) {
      const asked = budgeted.slice(at, at + KEY_USAGE_KEYS_MAX);
      for (const [id, usage] of await this.usage.forKeys(accountId, asked)) usages.set(id, usage);
    }
    return keys.map((key) => toKey({ key, plan, nowMs, usage: usages.get(key.id) as KeyUsage }));
  }

  private async showOne(accountId: string, key: StoredKey, plan: PlanCeilings): Promise<KeyDetail> {
    const [shown] = await this.show(accountId, [key], plan);
    return shown as KeyDetail;
  }
}
