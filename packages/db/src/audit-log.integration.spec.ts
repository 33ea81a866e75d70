import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newAccountTag } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type pg from 'pg';
import { type EmptyDatabase, startEmptyDatabase } from './database.fixture.js';
import { migrate } from './migrate.js';
import { seed } from './seed.js';

const ENTRIES = 6;
const WRITERS = 8;
const ENTRIES_PER_WRITER = 12;

let database: EmptyDatabase;
let owner: pg.Client;
beforeAll(async () => {
  database = await startEmptyDatabase();
  await migrate(database.urls.owner);
  await seed(database.urls.owner, { upstreamBaseUrl: 'http://127.0.0.1:4900/v1', credential: null });
  owner = await database.connect('owner');
});
afterAll(() => database.close());

const APPEND = `SELECT control.append_audit($1, now(), $2, $3, '{"kind": "key", "id": "1"}', $4, '{"ipPrefix": "203.0.113.0/24"}')`;
const ACTOR = { kind: 'user', id: uuid7(), label: 'a@example.com' };

async function append(client: pg.Client, accountId: string, details: object): Promise<void> {
  await client.query("SELECT set_config('app.account_id', $1, false)", [accountId]);
  await client.query(APPEND, [accountId, ACTOR, 'key.minted', details]);
}

/** An account with some entries, written as the application writes them. */
async function accountWithLog(entries = ENTRIES): Promise<string> {
  const accountId = uuid7();
  await owner.query("INSERT INTO control.accounts (id, tag, name, plan_id) VALUES ($1, $2, 'n', 'free')", [
    accountId,
    newAccountTag(),
  ]);
  const app = await database.connect('controlApp');
  for (let index = 1; index <= entries; index++)
    await append(app, accountId, { index, text: 'ü "quoted" \\ \n', nested: { b: [1.5] } });
  return accountId;
}

interface Verified {
  checked: string;
  last_sequence: string;
  last_hash: string;
  problems: { kind: string; sequence: number; detail: string }[];
}

async function verify(accountId: string, client = owner): Promise<Verified> {
  const { rows } = await client.query<Verified>('SELECT * FROM control.verify_audit($1)', [accountId]);
  return rows[0] as Verified;
}

const kindsOf = ({ problems }: Verified) => problems.map(({ kind, sequence }) => `${kind} ${sequence}`);

describe('the audit log (TL-1)', () => {
  it('that nobody touched is found sound, by the application too, and only that of its own account', async () => {
    const [first, second] = [await accountWithLog(), await accountWithLog()];
    expect(await verify(first)).toMatchObject({ checked: String(ENTRIES), last_sequence: String(ENTRIES), problems: [] });
    const app = await database.connect('controlApp');
    await app.query("SELECT set_config('app.account_id', $1, false)", [first]);
    expect(await verify(first, app)).toMatchObject({ checked: String(ENTRIES), problems: [] });
    expect(await verify(second, app)).toMatchObject({ checked: '0' });
  });

  it('of an account without entries is sound', async () => {
    expect(await verify(await accountWithLog(0))).toMatchObject({ checked: '0', last_sequence: '0', problems: [] });
  });

  it('is verified piece by piece with the same result', async () => {
    const accountId = await accountWithLog();
    let [after, hash, checked] = ['0', '0'.repeat(64), 0];
    for (const expected of [4, 2]) {
      const { rows } = await owner.query<Verified>('SELECT * FROM control.verify_audit($1, $2, $3, 4)', [
        accountId,
        after,
        hash,
      ]);
      const piece = rows[0] as Verified;
      expect([Number(piece.checked), piece.problems]).toEqual([expected, []]);
      [after, hash, checked] = [piece.last_sequence, piece.last_hash, checked + expected];
    }
    expect(checked).toBe(ENTRIES);
  });

  it.each([
    [
      'a changed word',
      `UPDATE control.audit_entries SET action = 'key.revoked' WHERE account_id = $1 AND sequence = 3`,
      ['changed 3'],
    ],
    [
      'a changed time',
      `UPDATE control.audit_entries SET occurred_at = occurred_at - interval '1 hour' WHERE account_id = $1 AND sequence = 1`,
      ['changed 1'],
    ],
    [
      'changed details',
      `UPDATE control.audit_entries SET details = details || '{"index": 9}' WHERE account_id = $1 AND sequence = 6`,
      ['changed 6'],
    ],
    [
      'a change with its hash made anew',
      `UPDATE control.audit_entries e SET action = 'x', hash = control.audit_hash(r) FROM (SELECT account_id, sequence, occurred_at, actor_kind, actor_id, actor_label, 'x'::text, subject_kind, subject_id, details, ip_prefix, user_agent, request_id, previous_hash, hash FROM control.audit_entries WHERE account_id = $1 AND sequence = 3) r WHERE e.account_id = $1 AND e.sequence = 3`,
      ['unlinked 4'],
    ],
    [
      'the last entry with its hash made anew',
      `UPDATE control.audit_entries e SET action = 'x', hash = control.audit_hash(r) FROM (SELECT account_id, sequence, occurred_at, actor_kind, actor_id, actor_label, 'x'::text, subject_kind, subject_id, details, ip_prefix, user_agent, request_id, previous_hash, hash FROM control.audit_entries WHERE account_id = $1 AND sequence = 6) r WHERE e.account_id = $1 AND e.sequence = 6`,
      ['head 6'],
    ],
    [
      'a deleted entry',
      'DELETE FROM control.audit_entries WHERE account_id = $1 AND sequence = 4',
      ['missing 4', 'unlinked 5'],
    ],
    [
      'the first entries deleted',
      'DELETE FROM control.audit_entries WHERE account_id = $1 AND sequence < 3',
      ['missing 1', 'unlinked 3'],
    ],
    [
      'two entries in the wrong order',
      'UPDATE control.audit_entries SET sequence = CASE sequence WHEN 2 THEN 103 ELSE 102 END WHERE account_id = $1 AND sequence IN (2, 3)',
      ['missing 2', 'unlinked 4', 'changed 102', 'head 103'],
    ],
    ['the end cut off', 'DELETE FROM control.audit_entries WHERE account_id = $1 AND sequence > 4', ['head 4']],
    ['all of it gone', 'DELETE FROM control.audit_entries WHERE account_id = $1', ['head 0']],
    [
      'an entry slipped in behind the last',
      `INSERT INTO control.audit_entries SELECT account_id, 7, occurred_at, actor_kind, actor_id, actor_label, action, subject_kind, subject_id, details, ip_prefix, user_agent, request_id, hash, previous_hash FROM control.audit_entries WHERE account_id = $1 AND sequence = 6`,
      ['changed 7', 'head 7'],
    ],
    ['the head alone moved', 'UPDATE control.audit_heads SET sequence = 5 WHERE account_id = $1', ['head 6']],
  ])('tells of %s, by whomever the tables belong to', async (_, tamper, expected) => {
    const accountId = await accountWithLog();
    expect((await owner.query(tamper, [accountId])).rowCount).toBeGreaterThan(0);
    expect(kindsOf(await verify(accountId)).sort()).toEqual([...expected].sort());
  });

  it('cannot tell of an end that was cut off together with the head: only a head noted elsewhere can', async () => {
    const accountId = await accountWithLog();
    const noted = await verify(accountId);
    await owner.query('DELETE FROM control.audit_entries WHERE account_id = $1 AND sequence > 4', [accountId]);
    await owner.query(
      'UPDATE control.audit_heads h SET (sequence, hash) = (SELECT sequence, hash FROM control.audit_entries WHERE account_id = $1 AND sequence = 4) WHERE account_id = $1',
      [accountId],
    );
    const after = await verify(accountId);
    expect(after.problems).toEqual([]);
    expect(Number(after.last_sequence)).toBeLessThan(Number(noted.last_sequence));
  });

  it('written by many at once has no fork and no gap', async () => {
    const accountId = await accountWithLog(0);
    const writers = await Promise.all(Array.from({ length: WRITERS }, () => database.connect('controlApp')));
    await Promise.all(
      writers.map(async (client, writer) => {
        for (let index = 0; index < ENTRIES_PER_WRITER; index++) await append(client, accountId, { writer, index });
      }),
    );
    const total = WRITERS * ENTRIES_PER_WRITER;
    expect(await verify(accountId)).toMatchObject({ checked: String(total), last_sequence: String(total), problems: [] });
    const { rows } = await owner.query(
      'SELECT count(DISTINCT details)::int AS n, count(DISTINCT previous_hash)::int AS links FROM control.audit_entries WHERE account_id = $1',
      [accountId],
    );
    expect(rows).toEqual([{ n: total, links: total }]);
  });

  it('keeps no entry of a transaction that was rolled back, and no gap where it was', async () => {
    const accountId = await accountWithLog(1);
    const app = await database.connect('controlApp');
    await app.query('BEGIN');
    await append(app, accountId, { index: 2 });
    await app.query('ROLLBACK');
    await append(app, accountId, { index: 3 });
    expect(await verify(accountId)).toMatchObject({ checked: '2', last_sequence: '2', problems: [] });
  });

  it('is written for the account of the transaction and for no other', async () => {
    const [mine, other] = [await accountWithLog(1), await accountWithLog(1)];
    const app = await database.connect('controlApp');
    await app.query("SELECT set_config('app.account_id', $1, false)", [mine]);
    await expect(app.query(APPEND, [other, ACTOR, 'key.minted', {}])).rejects.toThrow('account of the transaction only');
  });

  it.each([
    'INSERT INTO control.audit_entries SELECT (jsonb_populate_record(e, \'{"sequence": 99}\')).* FROM control.audit_entries e',
    'UPDATE control.audit_entries SET actor_label = actor_label',
    'DELETE FROM control.audit_entries',
    'TRUNCATE control.audit_entries',
    'UPDATE control.audit_heads SET sequence = 0',
    'DELETE FROM control.audit_heads',
    'INSERT INTO control.audit_heads SELECT * FROM control.audit_heads',
    'ALTER TABLE control.audit_entries DISABLE ROW LEVEL SECURITY',
    'CREATE OR REPLACE FUNCTION control.audit_hash(e control.audit_entries) RETURNS text LANGUAGE sql RETURN 1::text',
  ])('is not open to services for: %s', async (sql) => {
    for (const role of ['controlApp', 'controlRelay', 'controlOperator', 'meteringApp', 'meteringIngest'] as const) {
      await expect((await database.connect(role)).query(sql)).rejects.toThrow(/permission denied|must be owner/);
    }
  });
});
