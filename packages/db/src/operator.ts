import { parseUsd } from '@tensorloop/kernel/money';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import pg from 'pg';

const CONNECT_TIMEOUT_MS = 10_000;
const STATEMENT_TIMEOUT_MS = 30_000;

export class OperatorError extends Error {
  override name = 'OperatorError';
}

/** Runs `work` in one transaction with the owner's credentials. */
async function asOwner(ownerUrl: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({
    connectionString: ownerUrl,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
  });
  await client.connect();
  try {
    await client.query('BEGIN');
    await work(client);
    await client.query('COMMIT');
  } finally {
    // An open transaction ends with its connection.
    await client.end();
  }
}

/**
 * Moves an account to another plan, as an operator with the owner's credentials. Every key that is not revoked gets a new
 * version and is projected again, because an allowlist is cut to its plan's models.
 */
export async function setAccountPlan(ownerUrl: string, accountId: string, planId: string): Promise<void> {
  await asOwner(ownerUrl, async (client) => {
    const { rowCount: plans } = await client.query('SELECT FROM control.plans WHERE id = $1', [planId]);
    if (plans === 0) throw new OperatorError(`there is no plan ${planId}`);
    await changeAccount(client, 'UPDATE control.accounts SET plan_id = $2 WHERE id = $1', [accountId, planId]);
  });
}

export type AccountKind = 'metered' | 'prepaid';

/** Makes an account prepaid (its calls need a balance) or metered. It binds at the next admission of each of its keys. */
export async function setAccountKind(ownerUrl: string, accountId: string, kind: AccountKind): Promise<void> {
  await asOwner(ownerUrl, (client) =>
    changeAccount(client, 'UPDATE control.accounts SET kind = $2 WHERE id = $1', [accountId, kind]),
  );
}

/** Limits what an account may spend per UTC day; `usd` null = no limit. */
export async function setDailyLimit(ownerUrl: string, accountId: string, usd: string | null): Promise<void> {
  const limit = usd === null ? null : parseUsd(usd).toString();
  await asOwner(ownerUrl, (client) =>
    changeAccount(client, 'UPDATE control.accounts SET daily_limit_nano_usd = $2 WHERE id = $1', [accountId, limit]),
  );
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
    await client.query('UPDATE control.keys SET tpm = $2, parallel_max = $3 WHERE account_id = $1', [
      accountId,
      tpm,
      parallelMax,
    ]);
    await reprojectKeys(client, accountId);
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
export async function grantCredit(ownerUrl: string, accountId: string, credit: Credit): Promise<void> {
  const amount = parseUsd(credit.usd);
  if (amount <= 0n) throw new OperatorError('a credit is above 0');
  const [grantId, transactionId] = [uuid7(), uuid7()];
  await asOwner(ownerUrl, async (client) => {
    const { rowCount: accounts } = await client.query('SELECT FROM control.accounts WHERE id = $1', [accountId]);
    if (accounts === 0) throw new OperatorError(`there is no account ${accountId}`);
    const key = credit.idempotencyKey ?? grantId;
    // Two at once with one key: the second waits here, and then finds the first.
    await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`grant ${accountId} ${key}`]);
    const known = await client.query('SELECT FROM metering.grants WHERE account_id = $1 AND idempotency_key = $2', [
      accountId,
      key,
    ]);
    if (known.rowCount !== 0) return;
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
  });
}

/** The version rises with the limit as it does with the total: Redis takes both from whoever has the newer one. */
const RAISE_BALANCE = `
  INSERT INTO metering.scope_totals AS s (account_id, scope, total_nano_usd, limit_nano_usd, version)
  VALUES ($1, 'balance', 0, $2, 1)
  ON CONFLICT (account_id, scope) DO UPDATE SET
    limit_nano_usd = coalesce(s.limit_nano_usd, 0) + EXCLUDED.limit_nano_usd, version = s.version + 1`;

/** Changes an account's row, and projects its keys again, which carry what admission needs of it. */
async function changeAccount(client: pg.Client, update: string, values: [accountId: string, value: unknown]): Promise<void> {
  const { rowCount } = await client.query(update, values);
  if (rowCount === 0) throw new OperatorError(`there is no account ${values[0]}`);
  await reprojectKeys(client, values[0]);
}

async function reprojectKeys(client: pg.Client, accountId: string): Promise<void> {
  const { rows } = await client.query<{ id: string }>(
    'UPDATE control.keys SET version = version + 1 WHERE account_id = $1 AND revoked_at IS NULL RETURNING id',
    [accountId],
  );
  await client.query(
    'INSERT INTO control.key_projection_outbox (id, account_id, key_id) SELECT o, $1, k FROM unnest($2::uuid[], $3::uuid[]) AS t (o, k)',
    [accountId, rows.map(() => uuid7()), rows.map((row) => row.id)],
  );
}
