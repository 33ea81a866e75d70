import { Inject, Injectable } from '@nestjs/common';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { type PlanCeilings, toCeilings } from '../plans/plans.types.js';
import type { PendingProjection } from '../projection/projection.types.js';
import type { NewKey, StoredKey } from './keys.types.js';

/** Newest first, and no more than this at once: active keys are bounded by the plan, inactive ones by nothing. */
const LIST_MAX = 1_000;

/** An account while its row is locked: what is read here stays true until the transaction ends. */
export interface LockedAccount {
  tag: string;
  plan: PlanCeilings;
  countActiveKeys(nowMs: number): Promise<number>;
  /** The key and the outbox row that announces it, in one transaction. */
  insertKey(key: NewKey): Promise<{ key: StoredKey; pending: PendingProjection }>;
}

@Injectable()
export class KeysRepository {
  constructor(@Inject(ControlClient) private readonly control: ControlClient) {}

  /** Runs `work` while no other mint of this account can: parallel mints queue on the account's row. */
  withLockedAccount<T>(accountId: string, work: (account: LockedAccount) => Promise<T>): Promise<T> {
    return this.control.withAccount(accountId, async (tx) => {
      await tx.$queryRaw`SELECT FROM control.accounts WHERE id = ${accountId}::uuid FOR NO KEY UPDATE`;
      const account = await tx.account.findUniqueOrThrow({ where: { id: accountId }, include: { plan: true } });
      return work({
        tag: account.tag,
        plan: toCeilings(account.plan),
        countActiveKeys: (nowMs) => tx.key.count({ where: { accountId, revokedAt: null, expiresAt: { gt: new Date(nowMs) } } }),
        insertKey: (key) => insertKey(tx, accountId, key),
      });
    });
  }

  async listKeys(accountId: string, filter: { includesInactive: boolean; nowMs: number }): Promise<StoredKey[]> {
    const active = filter.includesInactive ? {} : { revokedAt: null, expiresAt: { gt: new Date(filter.nowMs) } };
    const rows = await this.control.withAccount(accountId, (tx) =>
      tx.key.findMany({ where: { accountId, ...active }, orderBy: { id: 'desc' }, take: LIST_MAX }),
    );
    return rows.map(toStoredKey);
  }

  /**
   * Marks the key revoked and announces it. Null when the account has no such key. A key that is revoked already keeps
   * its instant and is announced again, so that a caller who saw 503 can repeat the call until gateways know.
   */
  revokeKey(accountId: string, keyId: string, nowMs: number): Promise<PendingProjection | null> {
    return this.control.withAccount(accountId, async (tx) => {
      const key = await tx.key.findUnique({ where: { accountId_id: { accountId, id: keyId } } });
      if (key === null) return null;
      await tx.key.updateMany({
        where: { accountId, id: keyId, revokedAt: null },
        data: { revokedAt: new Date(nowMs), version: { increment: 1 } },
      });
      return announce(tx, accountId, keyId);
    });
  }
}

async function insertKey(
  tx: ControlTransaction,
  accountId: string,
  key: NewKey,
): Promise<{ key: StoredKey; pending: PendingProjection }> {
  const { mintedAtMs, expiresAtMs, ...fields } = key;
  const row = await tx.key.create({
    data: { ...fields, accountId, mintedAt: new Date(mintedAtMs), expiresAt: new Date(expiresAtMs) },
  });
  return { key: toStoredKey(row), pending: await announce(tx, accountId, key.id) };
}

async function announce(tx: ControlTransaction, accountId: string, keyId: string): Promise<PendingProjection> {
  const outboxId = uuid7();
  await tx.keyProjectionOutbox.create({ data: { id: outboxId, accountId, keyId } });
  return { outboxId, accountId, keyId };
}

interface KeyRow extends Omit<StoredKey, 'mintedAtMs' | 'expiresAtMs' | 'revokedAtMs'> {
  mintedAt: Date;
  expiresAt: Date;
  revokedAt: Date | null;
}

function toStoredKey(row: KeyRow): StoredKey {
  const { id, name, preview, models, budgetNanoUsd, rpm, version } = row;
  return {
    id,
    name,
    preview,
    models,
    budgetNanoUsd,
    rpm,
    version,
    mintedAtMs: row.mintedAt.getTime(),
    expiresAtMs: row.expiresAt.getTime(),
    revokedAtMs: row.revokedAt?.getTime() ?? null,
  };
}
