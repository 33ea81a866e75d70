import { parseUsd } from '@tensorloop/kernel/money';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { appendAudit, asOwner, lockAccount, OperatorError, reprojectKeys } from './owner-connection.js';

/**
 * Moves an account to another plan, as an operator with the owner's credentials. Every key that is not revoked gets a new
 * version and is projected again, because an allowlist is cut to its plan's models.
 */
export async function setAccountPlan(ownerUrl: string, accountId: string, planId: string): Promise<void> {
  await asOwner(ownerUrl, async (client) => {
    const { rowCount: plans } = await client.query('SELECT FROM control.plans WHERE id = $1', [planId]);
    if (plans === 0) throw new OperatorError(`there is no plan ${planId}`);
    const { planId: from } = await lockAccount(client, accountId);
    await client.query('UPDATE control.accounts SET plan_id = $2, version = version + 1 WHERE id = $1', [accountId, planId]);
    await reprojectKeys(client, accountId);
    await appendAudit(client, accountId, { action: 'account.plan_changed', details: { from, to: planId } });
  });
}

export type AccountKind = 'metered' | 'prepaid';

/** Makes an account prepaid (its calls need a balance) or metered. It binds at the next admission of each of its keys. */
export async function setAccountKind(ownerUrl: string, accountId: string, kind: AccountKind): Promise<void> {
  await asOwner(ownerUrl, async (client) => {
    await lockAccount(client, accountId);
    await client.query('UPDATE control.accounts SET kind = $2, version = version + 1 WHERE id = $1', [accountId, kind]);
    await reprojectKeys(client, accountId);
    await appendAudit(client, accountId, { action: 'account.kind_changed', details: { kind } });
  });
}

/** Limits what an account may spend per UTC day; `usd` null = no limit. */
export async function setDailyLimit(ownerUrl: string, accountId: string, usd: string | null): Promise<void> {
  const limit = usd === null ? null : parseUsd(usd).toString();
  await asOwner(ownerUrl, async (client) => {
    await lockAccount(client, accountId);
    const update = 'UPDATE control.accounts SET daily_limit_nano_usd = $2, version = version + 1 WHERE id = $1';
    await client.query(update, [accountId, limit]);
    await reprojectKeys(client, accountId);
    await appendAudit(client, accountId, { action: 'account.daily_limit_changed', details: { dailyLimitUsd: usd } });
  });
}

export interface KeyLimits {
  /** Tokens per rolling minute; null = no limit. */
  tpm: number | null;
  /** Calls in flight at once; null = no limit. */
  parallelMax: number | null;
}

/** Limits the tokens per minute and the calls in flight of each of an account's keys. */
export async function setKeyLimits(ownerUrl: string, accountId: string, { tpm, parallelMax }: KeyLimits): Promise<void> {
  await asOwner(ownerUrl, async (client) => {
    await lockAccount(client, accountId);
    const update = 'UPDATE control.keys SET tpm = $2, parallel_max = $3 WHERE account_id = $1';
    await client.query(update, [accountId, tpm, parallelMax]);
    await reprojectKeys(client, accountId);
    await appendAudit(client, accountId, { action: 'account.key_limits_changed', details: { tpm, parallelMax } });
  });
}

/** Disables an account, whose keys then work nowhere and which mints none, or enables it again. Returns how many keys that concerns. */
export function setAccountDisabled(
  ownerUrl: string,
  accountId: string,
  { isDisabled, reason }: { isDisabled: boolean; reason: string },
): Promise<number> {
  return asOwner(ownerUrl, async (client) => {
    await lockAccount(client, accountId);
    const disabledAt = isDisabled ? 'coalesce(disabled_at, now())' : 'NULL';
    await client.query(`UPDATE control.accounts SET disabled_at = ${disabledAt}, version = version + 1 WHERE id = $1`, [
      accountId,
    ]);
    const keysAnnounced = await reprojectKeys(client, accountId);
    const action = isDisabled ? 'account.disabled' : 'account.enabled';
    await appendAudit(client, accountId, { action, details: { reason, keysAnnounced } });
    return keysAnnounced;
  });
}

/** Tells gateways of the account's keys again. Returns of how many. */
export function reprojectAccount(ownerUrl: string, accountId: string): Promise<number> {
  return asOwner(ownerUrl, async (client) => {
    await lockAccount(client, accountId);
    const keysAnnounced = await reprojectKeys(client, accountId);
    await appendAudit(client, accountId, { action: 'account.keys_reprojected', details: { keysAnnounced } });
    return keysAnnounced;
  });
}

export interface Credit {
  /** Above 0, at most nano-USD resolution: "25", "0.5". */
  usd: string;
  /** For people: why it was granted. */
  note: string;
  /** The same key again grants nothing more. Default: a fresh one. */
  idempotencyKey?: string;
}

/**
 * Grants an account credit: the grant, its ledger transaction and the raised balance are one transaction. Gateways learn of it
 * with the account's next settle-ack, or when they ask because the balance that they know is spent.
 */
export async function grantCredit(ownerUrl: string, accountId: string, credit: Credit): Promise<'granted' | 'known'> {
  const amount = parseUsd(credit.usd);
  if (amount <= 0n) throw new OperatorError('a credit is above 0');
  const [grantId, transactionId] = [uuid7(), uuid7()];
  return asOwner(ownerUrl, async (client) => {
    const { rowCount: accounts } = await client.query('SELECT FROM control.accounts WHERE id = $1', [accountId]);
    if (accounts === 0) throw new OperatorError(`there is no account ${accountId}`);
    const key = credit.idempotencyKey ?? grantId;
    // Two at once with one key: the second waits here, and then finds the first.
    await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`grant ${accountId} ${key}`]);
    const known = await client.query('SELECT FROM metering.grants WHERE account_id = $1 AND idempotency_key = $2', [
      accountId,
      key,
    ]);
    if (known.rowCount !== 0) return 'known';
    await client.query("INSERT INTO metering.ledger_transactions (account_id, id, kind) VALUES ($1, $2, 'grant')", [
      accountId,
      transactionId,
    ]);
    await client.query(
      `INSERT INTO metering.ledger_entries (account_id, transaction_id, ledger_account, amount_nano_usd)
       VALUES ($1, $2, 'funding', $3), ($1, $2, 'prepaid', -$3::bigint)`,
      [accountId, transactionId, amount.toString()],
    );
    await client.query(
      `INSERT INTO metering.grants (account_id, id, kind, amount_nano_usd, note, idempotency_key, ledger_transaction_id)
       VALUES ($1, $2, 'credit', $3, $4, $5, $6)`,
      [accountId, grantId, amount.toString(), credit.note, key, transactionId],
    );
    await client.query(RAISE_BALANCE, [accountId, amount.toString()]);
    const subject = { kind: 'grant', id: grantId };
    await appendAudit(client, accountId, {
      action: 'balance.granted',
      subject,
      details: { usd: credit.usd, note: credit.note },
    });
    return 'granted';
  });
}

/** The version rises with the limit as it does with the total: Redis takes both from whoever has the newer one. */
const RAISE_BALANCE = `
  INSERT INTO metering.scope_totals AS s (account_id, scope, total_nano_usd, limit_nano_usd, version)
  VALUES ($1, 'balance', 0, $2, 1)
  ON CONFLICT (account_id, scope) DO UPDATE SET
    limit_nano_usd = coalesce(s.limit_nano_usd, 0) + EXCLUDED.limit_nano_usd, version = s.version + 1`;
