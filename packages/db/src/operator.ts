import { uuid7 } from '@tensorloop/kernel/uuid7';
import pg from 'pg';

const CONNECT_TIMEOUT_MS = 10_000;
const STATEMENT_TIMEOUT_MS = 30_000;

export class OperatorError extends Error {
  override name = 'OperatorError';
}

/**
 * Moves an account to another plan, as an operator with the owner's credentials. Every key that is not revoked gets a new
 * version and is projected again, because an allowlist is cut to its plan's models.
 */
export async function setAccountPlan(ownerUrl: string, accountId: string, planId: string): Promise<void> {
  const client = new pg.Client({
    connectionString: ownerUrl,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
  });
  await client.connect();
  try {
    const { rowCount: plans } = await client.query('SELECT FROM control.plans WHERE id = $1', [planId]);
    if (plans === 0) throw new OperatorError(`there is no plan ${planId}`);
    await client.query('BEGIN');
    const { rowCount: accounts } = await client.query('UPDATE control.accounts SET plan_id = $2 WHERE id = $1', [
      accountId,
      planId,
    ]);
    if (accounts === 0) throw new OperatorError(`there is no account ${accountId}`);
    await reprojectKeys(client, accountId);
    await client.query('COMMIT');
  } finally {
    // An open transaction ends with its connection.
    await client.end();
  }
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
