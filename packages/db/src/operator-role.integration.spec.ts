import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newAccountTag } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type pg from 'pg';
import { OperatorClient } from './control-client.js';
import { type EmptyDatabase, startEmptyDatabase } from './database.fixture.js';
import { migrate } from './migrate.js';
import { seed } from './seed.js';

let database: EmptyDatabase;
let owner: pg.Client;
const accounts = [uuid7(), uuid7()];
beforeAll(async () => {
  database = await startEmptyDatabase();
  await migrate(database.urls.owner);
  await seed(database.urls.owner, { upstreamBaseUrl: 'http://127.0.0.1:4900/v1', credential: null });
  owner = await database.connect('owner');
  for (const accountId of accounts) {
    const row = [accountId, newAccountTag()];
    await owner.query("INSERT INTO control.accounts (id, tag, name, plan_id) VALUES ($1, $2, 'n', 'free')", row);
    await owner.query(
      `INSERT INTO control.keys (account_id, id, key_hash, preview, name, models, budget_nano_usd, rpm, minted_at, expires_at, created_by)
       VALUES ($1, $1, rpad(replace($1::uuid::text, '-', ''), 64, '0'), 'p', 'n', '{*}', 1, 1, now(), now() + interval '1 day', $1)`,
      [accountId],
    );
  }
});
afterAll(() => database.close());

describe('role control_operator (TL-1)', () => {
  it('reads the accounts of everybody', async () => {
    const operator = new OperatorClient(database.urls.controlOperator);
    const seen = await operator.read((tx) => tx.account.findMany({ select: { id: true } }));
    expect(seen.map(({ id }) => id).sort()).toEqual([...accounts].sort());
    await operator.close();
  });

  it('changes the one account that its transaction names, and no other', async () => {
    const operator = new OperatorClient(database.urls.controlOperator);
    const changed = await operator.withAccount(accounts[0] as string, (tx) =>
      tx.account.updateMany({ data: { disabledAt: new Date() } }),
    );
    expect(changed.count).toBe(1);
    expect((await operator.read((tx) => tx.account.updateMany({ data: { disabledAt: null } }))).count).toBe(0);
    const { rows } = await owner.query('SELECT id FROM control.accounts WHERE disabled_at IS NOT NULL');
    expect(rows).toEqual([{ id: accounts[0] }]);
    await operator.close();
  });

  it.each([
    'SELECT password_hash FROM control.users',
    'SELECT * FROM control.users',
    'SELECT key_hash FROM control.keys',
    'SELECT FROM control.sessions',
    'SELECT FROM control.mail_tokens',
    'SELECT FROM control.identities',
    'SELECT FROM control.invites',
    'SELECT FROM control.management_tokens',
    'SELECT FROM control.idempotent_requests',
    'SELECT FROM metering.usage',
    'INSERT INTO control.operators (user_id) VALUES (gen_random_uuid())',
    'DELETE FROM control.operators',
    "UPDATE control.memberships SET role = 'owner'",
    'INSERT INTO control.memberships (account_id, user_id) VALUES (gen_random_uuid(), gen_random_uuid())',
    "UPDATE control.users SET email = 'x'",
    'UPDATE control.keys SET budget_nano_usd = 5',
    'UPDATE control.keys SET revoked_at = NULL',
    'UPDATE control.accounts SET tag = tag',
    'UPDATE control.plans SET keys_max = 9',
    'DELETE FROM control.accounts',
    'DELETE FROM control.keys',
  ])('may not run: %s', async (sql) => {
    await expect((await database.connect('controlOperator')).query(sql)).rejects.toThrow('permission denied');
  });

  it('is no role that the application can take', async () => {
    for (const role of ['controlApp', 'controlRelay', 'meteringApp'] as const)
      await expect((await database.connect(role)).query('SET ROLE control_operator')).rejects.toThrow('permission denied');
  });
});
