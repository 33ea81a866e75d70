import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ControlClient, type Scope } from '@tensorloop/db/control-client';
import { startControlPlane, type TestControlPlane } from './control-plane.fixture.js';
import { tablesOf } from './isolation.fixture.js';
import { makeTenant, type Tenant } from './openapi/api-caller.fixture.js';

/** Floor: a walk that finds fewer tables is blind. */
const TABLES_MIN = 14;
/** More than the pool has connections, so that each of them has seen an error. */
const FAILURES = 40;
/** PostgreSQL's code for what row-level security and missing grants refuse. */
const DENIED = '42501';

interface Table {
  name: string;
  column: string;
  /** Whose rows these are: the account's or the user's id. */
  of: 'account' | 'user';
}

let plane: TestControlPlane;
let control: ControlClient;
let tables: Table[];
let victim: Tenant;
let stranger: Tenant;
beforeAll(async () => {
  plane = await startControlPlane();
  control = plane.app.get(ControlClient);
  [victim, stranger] = [await makeTenant(plane, `victim-${randomUUID()}`), await makeTenant(plane, `stranger-${randomUUID()}`)];
  const owned = await tablesOf(plane, ['account_id', 'user_id']);
  tables = [
    ...owned.map((table): Table => ({ ...table, of: table.column === 'account_id' ? 'account' : 'user' })),
    { name: 'accounts', column: 'id', of: 'account' },
    { name: 'users', column: 'id', of: 'user' },
  ];
});
afterAll(() => plane?.close());

/** SQL as the application's role, in the application's own pool. Prisma says of errors little more than their text. */
function asApp<Row>(scope: Scope, sql: string, values: unknown[] = []): Promise<Row[] | { denied: string }> {
  return control
    .within(scope, (tx) =>
      (tx as unknown as { $queryRawUnsafe(sql: string, ...values: unknown[]): Promise<Row[]> }).$queryRawUnsafe(sql, ...values),
    )
    .catch((err: Error) => ({ denied: `${err.message} ${JSON.stringify(err)}` }));
}

const theirs = ({ name, column, of }: Table) => ({ where: `control.${name} WHERE ${column} = '${victim.ids[of]}'` });
/** All that a caller can be: of an account, and a user. */
const scopeOf = ({ ids, me }: Tenant): Scope => ({ accountId: ids.account, userId: ids.user, email: me.user.email });

function isDenied(result: unknown[] | { denied: string }): boolean {
  return 'denied' in result && (result.denied.includes(DENIED) || /permission denied|row-level security/.test(result.denied));
}

describe('SQL as control_app (TL-1)', () => {
  it('knows every table of schema control with rows of accounts or users, and most have rows of the other account', async () => {
    expect(tables.length).toBeGreaterThanOrEqual(TABLES_MIN);
    const counts = await Promise.all(tables.map((table) => plane.database.query(`SELECT FROM ${theirs(table).where}`)));
    expect(counts.filter((rows) => rows.length > 0).length).toBeGreaterThan(tables.length / 2);
    // As the owner it sees them, so that what follows is no accident of the query.
    expect(
      await asApp(scopeOf(victim), `SELECT name FROM ${theirs({ name: 'keys', column: 'account_id', of: 'account' }).where}`),
    ).toHaveLength(1);
  });

  it('shows no row of another account or user', async () => {
    for (const table of tables) {
      const seen = await asApp(scopeOf(stranger), `SELECT 1 FROM ${theirs(table).where}`);
      expect({ table: `${table.name}.${table.column}`, seen: 'denied' in seen ? [] : seen }).toEqual({
        table: `${table.name}.${table.column}`,
        seen: [],
      });
    }
  });

  it('shows no row at all when it was not said for whom', async () => {
    for (const { name } of tables) {
      const seen = await asApp({}, `SELECT 1 FROM control.${name} LIMIT 1`);
      expect({ name, seen: 'denied' in seen ? [] : seen }).toEqual({ name, seen: [] });
    }
  });

  it('neither changes nor deletes a row of another account or user', async () => {
    for (const table of tables) {
      const { where } = theirs(table);
      const [target, condition] = where.split(' WHERE ');
      const results = [
        await asApp(scopeOf(stranger), `DELETE FROM ${where} RETURNING 1`),
        await asApp(scopeOf(stranger), `UPDATE ${target} SET ${table.column} = ${table.column} WHERE ${condition} RETURNING 1`),
      ];
      for (const result of results)
        expect({ table: table.name, isNothing: isDenied(result) || (Array.isArray(result) && result.length === 0) }).toEqual({
          table: table.name,
          isNothing: true,
        });
    }
  });

  it('makes no row in the name of another account', async () => {
    for (const table of tables.filter(({ of, name }) => of === 'account' && name !== 'accounts')) {
      const [row] = await plane.database.query<{ row: object }>(
        `SELECT to_jsonb(t) AS row FROM control.${table.name} t LIMIT 1`,
      );
      if (row === undefined) continue;
      const forged = { ...row.row, [table.column]: victim.ids.account };
      const sql = `INSERT INTO control.${table.name} SELECT * FROM jsonb_populate_record(NULL::control.${table.name}, $1::jsonb)`;
      const result = await asApp(scopeOf({ ...stranger, ids: { ...stranger.ids, user: randomUUID() } }), sql, [
        JSON.stringify(forged),
      ]);
      expect({ table: table.name, isDenied: isDenied(result), result: isDenied(result) ? null : result }).toEqual({
        table: table.name,
        isDenied: true,
        result: null,
      });
    }
  });

  it('forgets for whom it was when a transaction fails, on every connection of the pool', async () => {
    const failures = await Promise.all(Array.from({ length: FAILURES }, () => asApp(scopeOf(victim), 'SELECT 1/0')));
    expect(failures.every((result) => 'denied' in result && result.denied.includes('division by zero'))).toBe(true);
    const reads = await Promise.all(Array.from({ length: FAILURES }, () => asApp({}, 'SELECT 1 FROM control.keys')));
    expect(reads.every((rows) => Array.isArray(rows) && rows.length === 0)).toBe(true);
    const own = await Promise.all(
      Array.from({ length: FAILURES }, () =>
        asApp<{ account_id: string }>(scopeOf(stranger), 'SELECT account_id FROM control.keys'),
      ),
    );
    expect(new Set(own.flatMap((rows) => (Array.isArray(rows) ? rows.map((row) => row.account_id) : ['denied'])))).toEqual(
      new Set([stranger.ids.account]),
    );
  });
});
