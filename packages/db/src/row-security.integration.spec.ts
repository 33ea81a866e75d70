import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newAccountTag } from '@tensorloop/kernel/key-text';
import { uuid7, uuid7Day } from '@tensorloop/kernel/uuid7';
import type pg from 'pg';
import { ControlClient, RelayClient } from './control-client.js';
import { type EmptyDatabase, startEmptyDatabase } from './database.fixture.js';
import { createMeteringPool, withAccount } from './metering-pool.js';
import { migrate } from './migrate.js';
import { seed } from './seed.js';

const CONTROL_TABLES = ['accounts', 'memberships', 'keys', 'key_projection_outbox'];
/** Of people, who may belong to several accounts: reached by who they are or what they present. */
const PERSONAL_TABLES = ['users', 'sessions'];
const METERING_TABLES = [
  'usage',
  'charges',
  'ledger_transactions',
  'ledger_entries',
  'hourly_rollups',
  'daily_rollups',
  'model_rollups',
  'attribution_rollups',
  'tag_names',
  'usage_tags',
  'scope_totals',
  'grants',
  'refusals',
];

let database: EmptyDatabase;
const accountA = uuid7();
const accountB = uuid7();
const userA = uuid7();

beforeAll(async () => {
  database = await startEmptyDatabase();
  await migrate(database.urls.owner);
  await seed(database.urls.owner, { upstreamBaseUrl: 'http://127.0.0.1:4900/v1', credential: null });
  await insertAccount(accountA, userA);
  await insertAccount(accountB, uuid7());
});
afterAll(async () => {
  await database.close();
});

function sessionHashOf(userId: string): string {
  return Buffer.from(userId.replaceAll('-', '')).toString('hex');
}

/** One row of the account in every table: control as the application writes it, metering as the ingest does. */
async function insertAccount(accountId: string, userId: string): Promise<void> {
  const client = new ControlClient(database.urls.controlApp);
  const keyId = uuid7();
  const hash = Buffer.from(keyId.replaceAll('-', '')).toString('hex');
  await client.within({ accountId, userId }, async (tx) => {
    await tx.user.create({ data: { id: userId, email: `${userId}@example.com`, passwordHash: '$argon2id$test' } });
    await tx.account.create({ data: { id: accountId, tag: newAccountTag(), name: 'n', planId: 'free' } });
    await tx.membership.create({ data: { accountId, userId, role: 'owner' } });
    const soon = new Date(Date.now() + 60_000);
    const times = { idleExpiresAt: soon, absoluteExpiresAt: soon };
    await tx.session.create({ data: { tokenHash: sessionHashOf(userId), userId, accountId, ...times } });
    const mintedAt = new Date();
    const expiresAt = new Date(mintedAt.getTime() + 1_000);
    await tx.key.create({
      data: {
        accountId,
        id: keyId,
        keyHash: hash,
        preview: 'p',
        name: 'n',
        models: ['*'],
        budgetNanoUsd: 1n,
        rpm: 1,
        mintedAt,
        expiresAt,
        createdBy: userId,
      },
    });
    await tx.keyProjectionOutbox.create({ data: { id: uuid7(), accountId, keyId } });
  });
  await client.close();
  await insertUsage(await database.connect('meteringIngest'), accountId, keyId);
}

async function insertUsage(ingest: pg.Client, accountId: string, keyId: string): Promise<void> {
  const requestId = uuid7();
  const day = uuid7Day(requestId);
  const transactionId = uuid7();
  await ingest.query('SELECT metering.ensure_usage_partitions($1)', [day]);
  await ingest.query('BEGIN');
  await ingest.query(
    `INSERT INTO metering.usage VALUES ($1, $2, $3, $4, 'gpt-4o-mini', 'chat.completions', 'g', false, 'completed', 200, false,
       now(), now(), now(), 0, now(), $1, $2, '{}', 5, 5, 0, 1, 1, '[]', '\\x00')`,
    [day, requestId, accountId, keyId],
  );
  await ingest.query(`INSERT INTO metering.charges VALUES ($1, $2, 0, $3, 'input', 5, 1, 5, $2, $4)`, [
    day,
    requestId,
    accountId,
    transactionId,
  ]);
  await ingest.query(`INSERT INTO metering.ledger_transactions VALUES ($1, $2, 'usage')`, [accountId, transactionId]);
  await ingest.query(`INSERT INTO metering.ledger_entries VALUES ($1, $2, 'receivable', 5), ($1, $2, 'revenue', -5)`, [
    accountId,
    transactionId,
  ]);
  await ingest.query(
    `INSERT INTO metering.hourly_rollups VALUES ($1, date_trunc('hour', now()), $2, 'gpt-4o-mini', 1, 5, 0, 5)`,
    [accountId, keyId],
  );
  await ingest.query(`INSERT INTO metering.daily_rollups VALUES ($1, current_date, $2, 'gpt-4o-mini', 1, 0, 5, 0, 5)`, [
    accountId,
    keyId,
  ]);
  await ingest.query(
    `INSERT INTO metering.model_rollups VALUES ($1, date_trunc('hour', now()), 'gpt-4o-mini', 1, 0, 5, 0, 5)`,
    [accountId],
  );
  await ingest.query(
    `INSERT INTO metering.attribution_rollups VALUES ($1, 'tag:t', date_trunc('hour', now()), 'v', 1, 0, 5, 0, 5)`,
    [accountId],
  );
  await ingest.query(`INSERT INTO metering.tag_names VALUES ($1, 't', '-infinity')`, [accountId]);
  await ingest.query(`INSERT INTO metering.usage_tags VALUES ($1, $2, 't', 'v', $3)`, [day, accountId, requestId]);
  await ingest.query(`INSERT INTO metering.scope_totals VALUES ($1, $2, 5, 1)`, [accountId, `day:${day}`]);
  await ingest.query(
    `INSERT INTO metering.grants (account_id, id, kind, amount_nano_usd, note, idempotency_key, ledger_transaction_id)
     VALUES ($1, $2, 'credit', 5, '', '1', $3)`,
    [accountId, requestId, transactionId],
  );
  await ingest.query(
    `INSERT INTO metering.refusals VALUES ($1, $2, $3, 'm', 'chat.completions', 'c', 429, 1, now(), now(), 'g')`,
    [accountId, requestId, keyId],
  );
  await ingest.query('COMMIT');
}

/** Distinct account ids that a query as `client` can see in a table. */
async function visibleAccounts(client: Pick<pg.Client, 'query'>, table: string): Promise<string[]> {
  const column = table === 'control.accounts' ? 'id' : 'account_id';
  const { rows } = await client.query<{ id: string }>(`SELECT DISTINCT ${column} AS id FROM ${table} ORDER BY 1`);
  return rows.map((row) => row.id);
}

describe.each([
  ['control_app', 'controlApp', CONTROL_TABLES.map((name) => `control.${name}`)],
  ['metering_app', 'meteringApp', METERING_TABLES.map((name) => `metering.${name}`)],
] as const)('row-level security for %s (TL-1)', (_, role, tables) => {
  it.each(tables)('%s shows the rows of the account that is set, and no others', async (table) => {
    const client = await database.connect(role);
    await client.query('BEGIN');
    await client.query("SELECT set_config('app.account_id', $1, true)", [accountA]);
    expect(await visibleAccounts(client, table)).toEqual([accountA]);
    await client.query('ROLLBACK');
  });

  it.each(tables)('%s shows nothing when no account was ever set', async (table) => {
    expect(await visibleAccounts(await database.connect(role), table)).toEqual([]);
  });

  it.each(tables)('%s shows nothing on a pooled connection after an error rolled the last user back', async (table) => {
    const pool = createMeteringPool(database.urls[role], { name: 'spec', connectionsMax: 1 });
    await expect(withAccount(pool, accountA, (client) => client.query('SELECT 1/0'))).rejects.toThrow('division by zero');
    expect((await pool.query("SELECT current_setting('app.account_id', true) AS value")).rows).toEqual([{ value: '' }]);
    expect(await visibleAccounts(pool, table)).toEqual([]);
    await pool.end();
  });
});

describe('users and sessions for control_app (TL-1)', () => {
  it.each(PERSONAL_TABLES)('%s shows nothing when nobody is named', async (table) => {
    const client = await database.connect('controlApp');
    expect((await client.query(`SELECT FROM control.${table}`)).rowCount).toBe(0);
  });

  it.each([
    ['sessions', 'app.user_id', () => userA],
    ['sessions', 'app.session_hash', () => sessionHashOf(userA)],
    ['users', 'app.user_id', () => userA],
    ['users', 'app.email', () => `${userA}@example.com`],
    ['users', 'app.account_id', () => accountA],
  ])('%s shows one row to %s', async (table, setting, value) => {
    const client = await database.connect('controlApp');
    await client.query('BEGIN');
    await client.query('SELECT set_config($1, $2, true)', [setting, value()]);
    const { rows } = await client.query<{ id: string }>(
      `SELECT ${table === 'users' ? 'id' : 'user_id'} AS id FROM control.${table}`,
    );
    expect(rows).toEqual([{ id: userA }]);
    await client.query('ROLLBACK');
  });

  it("an account does not reach its members' sessions, nor anyone another's", async () => {
    const client = await database.connect('controlApp');
    await client.query("SELECT set_config('app.account_id', $1, false)", [accountA]);
    expect((await client.query('SELECT FROM control.sessions')).rowCount).toBe(0);
    await client.query("SELECT set_config('app.user_id', $1, false)", [userA]);
    expect((await client.query('UPDATE control.sessions SET revoked_at = now() WHERE user_id <> $1', [userA])).rowCount).toBe(
      0,
    );
    const forged =
      'INSERT INTO control.sessions (token_hash, user_id, account_id, idle_expires_at, absolute_expires_at) VALUES ($1, $2, $3, now(), now())';
    await expect(client.query(forged, ['0'.repeat(64), uuid7(), accountB])).rejects.toThrow('row-level security');
  });
});

describe('control plane', () => {
  it('cannot write into another account (TL-1)', async () => {
    const client = await database.connect('controlApp');
    await client.query("SELECT set_config('app.account_id', $1, false)", [accountA]);
    const insert = 'INSERT INTO control.key_projection_outbox (id, account_id, key_id) VALUES ($1, $2, $1)';
    await expect(client.query(insert, [uuid7(), accountB])).rejects.toThrow('row-level security');
    const { rowCount } = await client.query('UPDATE control.keys SET revoked_at = now() WHERE account_id = $1', [accountB]);
    expect(rowCount).toBe(0);
  });

  it("shows a user's own memberships and accounts before the account is known", async () => {
    const client = new ControlClient(database.urls.controlApp);
    const seen = await client.withUser(userA, async (tx) => ({
      accounts: (await tx.account.findMany()).map(({ id }) => id),
      memberships: (await tx.membership.findMany()).map(({ accountId }) => accountId),
      keys: await tx.key.count(),
    }));
    expect(seen).toEqual({ accounts: [accountA], memberships: [accountA], keys: 0 });
    await client.close();
  });

  it.each([
    'UPDATE control.keys SET key_hash = key_hash',
    'UPDATE control.keys SET expires_at = expires_at',
    "UPDATE control.keys SET models = '{*}'",
    'UPDATE control.accounts SET disabled_at = NULL',
    'DELETE FROM control.keys',
    "INSERT INTO control.audit_heads VALUES (gen_random_uuid(), 0, '')",
    "UPDATE control.audit_entries SET action = ''",
    'DELETE FROM control.audit_entries',
    'INSERT INTO control.operators (user_id) VALUES (gen_random_uuid())',
    'UPDATE control.plans SET keys_max = 9',
    'SELECT FROM metering.usage',
    'SELECT FROM metering.price_versions',
  ])('may not run: %s', async (sql) => {
    await expect((await database.connect('controlApp')).query(sql)).rejects.toThrow('permission denied');
  });
});

describe('relay', () => {
  it('reads keys of all accounts and drains the outbox', async () => {
    const relay = new RelayClient(database.urls.controlRelay);
    expect((await relay.tables.key.findMany()).map(({ accountId }) => accountId).sort()).toEqual([accountA, accountB].sort());
    expect((await relay.tables.keyProjectionOutbox.findMany({ orderBy: { id: 'asc' } })).length).toBe(2);
    await relay.close();
  });

  it.each([
    'SELECT FROM control.users',
    'SELECT FROM control.sessions',
    'SELECT FROM control.memberships',
    'UPDATE control.keys SET version = version + 1',
    'INSERT INTO control.key_projection_outbox SELECT * FROM control.key_projection_outbox',
  ])('may not run: %s', async (sql) => {
    await expect((await database.connect('controlRelay')).query(sql)).rejects.toThrow('permission denied');
  });
});

describe('partitions', () => {
  it.each(['meteringApp', 'meteringIngest', 'controlApp'] as const)('%s may not name one directly (TL-1)', async (role) => {
    const owner = await database.connect('owner');
    const { rows } = await owner.query<{ name: string }>(
      "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhrelid::regclass::text LIKE 'metering.%_2%' AND inhparent IN ('metering.usage'::regclass, 'metering.charges'::regclass)",
    );
    expect(rows.length).toBeGreaterThanOrEqual(2);
    const client = await database.connect(role);
    for (const { name } of rows) {
      await expect(client.query(`SELECT FROM ${name}`)).rejects.toThrow('permission denied');
    }
  });

  it('are created once when two connections ask at the same time', async () => {
    const [first, second] = [await database.connect('meteringIngest'), await database.connect('meteringIngest')];
    const call = "SELECT metering.ensure_usage_partitions('2026-02-03')";
    await first.query('BEGIN');
    await first.query(call);
    // The second waits for the first: neither fails, and there is one partition of each.
    const waiting = second.query(call);
    await first.query('COMMIT');
    await waiting;
    const { rows } = await (await database.connect('owner')).query(
      "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE '%20260203' ORDER BY 1",
    );
    expect(rows.map((row) => row.relname)).toEqual(['charges_20260203', 'usage_20260203', 'usage_tags_20260203']);
  });
});
