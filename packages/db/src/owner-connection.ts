import { uuid7 } from '@tensorloop/kernel/uuid7';
import pg from 'pg';

const CONNECT_TIMEOUT_MS = 10_000;
const STATEMENT_TIMEOUT_MS = 30_000;
/** Who acted, in the audit logs of accounts: whoever holds the owner's credentials. */
const ACTOR = { kind: 'operator', id: null, label: 'operator command' };

/** What an operator asked for cannot be done; the message says why. */
export class OperatorError extends Error {
  override name = 'OperatorError';
}

/** Runs `work` in one transaction with the owner's credentials. */
export async function asOwner<Result>(ownerUrl: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({
    connectionString: ownerUrl,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
  });
  // A connection that breaks says so in the query that waits on it; without a listener it would end the process instead.
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } finally {
    // An open transaction ends with its connection.
    await client.end();
  }
}

export interface AuditedAct {
  /** "account.disabled" */
  action: string;
  subject?: { kind: string; id: string };
  details: Record<string, unknown>;
}

/** Writes to the account's audit log, at the end of the transaction of the change: other writers wait from here on. */
export async function appendAudit(client: pg.Client, accountId: string, act: AuditedAct): Promise<void> {
  const { action, details, subject = { kind: 'account', id: accountId } } = act;
  await client.query("SELECT set_config('app.account_id', $1, true)", [accountId]);
  await client.query("SELECT control.append_audit($1, now(), $2, $3, $4, $5, '{}')", [
    accountId,
    ACTOR,
    action,
    subject,
    details,
  ]);
}

/** Locks the account's row: its plan and whether it is disabled stay as they are. Throws where there is none. */
export async function lockAccount(client: pg.Client, accountId: string): Promise<{ planId: string }> {
  const { rows } = await client.query<{ planId: string }>(
    'SELECT plan_id AS "planId" FROM control.accounts WHERE id = $1 FOR NO KEY UPDATE',
    [accountId],
  );
  const [account] = rows;
  if (account === undefined) throw new OperatorError(`there is no account ${accountId}`);
  return account;
}

/** Every key that is not revoked gets a new version and is told to gateways again. Returns how many. */
export async function reprojectKeys(client: pg.Client, accountId: string): Promise<number> {
  const { rows } = await client.query<{ id: string }>(
    'UPDATE control.keys SET version = version + 1 WHERE account_id = $1 AND revoked_at IS NULL RETURNING id',
    [accountId],
  );
  await client.query(
    'INSERT INTO control.key_projection_outbox (id, account_id, key_id) SELECT o, $1, k FROM unnest($2::uuid[], $3::uuid[]) AS t (o, k)',
    [accountId, rows.map(() => uuid7()), rows.map((row) => row.id)],
  );
  return rows.length;
}
