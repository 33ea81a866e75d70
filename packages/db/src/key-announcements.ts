import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { ControlTransaction } from './control-client.js';

/** Above the number of keys of any plan: a guard for memory, not a limit that anybody meets. */
const KEYS_MAX = 10_000;

/** The application's, or an operator's. */
type AnnouncingTransaction = Pick<ControlTransaction, 'key' | 'keyProjectionOutbox'>;

/** A row of the outbox. */
export interface Announcement {
  outboxId: string;
  accountId: string;
  keyId: string;
}

/**
 * For a change of an account that concerns all its keys: each active one gets a new version, so that Redis takes its new
 * projection, and a row in the outbox. In the transaction of the change, with the account's row locked, so that no key is
 * minted in between.
 */
export async function announceActiveKeys(tx: AnnouncingTransaction, accountId: string, now: Date): Promise<Announcement[]> {
  const active = { accountId, revokedAt: null, expiresAt: { gt: now } };
  const keys = await tx.key.findMany({ where: active, take: KEYS_MAX, select: { id: true } });
  await tx.key.updateMany({ where: { accountId, id: { in: keys.map(({ id }) => id) } }, data: { version: { increment: 1 } } });
  const rows = keys.map(({ id: keyId }) => ({ id: uuid7(), accountId, keyId }));
  await tx.keyProjectionOutbox.createMany({ data: rows });
  return rows.map(({ id, keyId }) => ({ outboxId: id, accountId, keyId }));
}

/** Changes of the account's keys that Redis may not hold yet, for whoever repeats a request that was answered with 503. */
export async function listUndeliveredKeys(tx: AnnouncingTransaction, accountId: string): Promise<Announcement[]> {
  const rows = await tx.keyProjectionOutbox.findMany({ where: { accountId }, orderBy: { id: 'asc' }, take: KEYS_MAX });
  return rows.map(({ id, keyId }) => ({ outboxId: id, accountId, keyId }));
}
