import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { createTestDatabase, type TestDatabase } from '@tensorloop/testing/database';
import pg from 'pg';
import { countFilled, fillUsage } from './usage-filling.js';

const ROWS = 5_000;
const account = { accountId: uuid7(), keyIds: [uuid7(), uuid7(), uuid7(), uuid7(), uuid7()], projectIds: [uuid7(), uuid7()] };
let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.superuserUrl });
  await client.connect();
  await fillUsage(client, account, ROWS);
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

it('what is measured with has every call once in every sum, and no table is empty', async () => {
  const rows = await countFilled(client, account.accountId, ROWS);
  expect(rows).toMatchObject({ usage: ROWS, charges: ROWS, scope_totals: account.keyIds.length });
  const [others] = await database.query<{ calls: number }>(
    `SELECT count(*)::integer AS calls FROM metering.usage WHERE account_id <> '${account.accountId}'`,
  );
  expect(others?.calls).toBe(ROWS / 10);
});

it('a call that is missing in one of the sums stops the measurement', async () => {
  await client.query('BEGIN');
  await client.query(
    'UPDATE metering.model_rollups SET requests = requests - 1 WHERE ctid = (SELECT min(ctid) FROM metering.model_rollups WHERE account_id = $1)',
    [account.accountId],
  );
  await expect(countFilled(client, account.accountId, ROWS)).rejects.toThrow('5000 calls were to be filled in');
  await client.query('ROLLBACK');
  await expect(countFilled(client, account.accountId, ROWS + 1)).rejects.toThrow('5001 calls');
});
