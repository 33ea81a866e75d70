import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ControlClient } from '@tensorloop/db/control-client';
import { startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';
import { addMember, auditedActions } from '../members/members.fixture.js';
import { ErasureService } from './erasure.service.js';

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

function eraseDue(): Promise<number> {
  return plane.app.get(ErasureService).eraseDue();
}

async function endGrace(accountId: string): Promise<void> {
  await plane.database.query("UPDATE control.accounts SET delete_after = now() - interval '1 second' WHERE id = $1", [
    accountId,
  ]);
}

/** Every row of the schema in which the text occurs, as "table: row". */
async function occurrencesOf(text: string): Promise<string[]> {
  const tables = await plane.database.query<{ name: string }>(
    "SELECT quote_ident(table_name) AS name FROM information_schema.tables WHERE table_schema = 'control' AND table_type = 'BASE TABLE'",
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await plane.database.query<{ row: string }>(
      `SELECT t::text AS row FROM control.${name} AS t WHERE position($1 in t::text) > 0`,
      [text],
    );
    found.push(...rows.map(({ row }) => `${name}: ${row}`));
  }
  return found;
}

describe('an account whose grace is over', () => {
  it('is erased with the people who belong to no other; its ids stay for what was spent', async () => {
    const { browser, me, email } = await plane.signUp();
    const { body: key } = await browser.mint({ name: 'secret project' });
    const guest = await addMember(plane, me.account.id, 'developer');
    await browser.send('DELETE', '/api/account');
    await endGrace(me.account.id);
    expect(await occurrencesOf(email)).not.toEqual([]);

    expect(await eraseDue()).toBe(1);
    expect(await occurrencesOf(email)).toEqual([]);
    expect(await occurrencesOf('secret project')).toEqual([]);
    expect((await browser.send('GET', '/api/me')).status).toBe(401);
    const [row] = await plane.database.query(
      'SELECT name, erased_at IS NOT NULL AS erased FROM control.accounts WHERE id = $1',
      [me.account.id],
    );
    expect(row).toEqual({ name: 'deleted', erased: true });
    const keys = await plane.database.query('SELECT revoked_at IS NOT NULL AS revoked FROM control.keys WHERE id = $1', [
      key.id,
    ]);
    expect(keys).toEqual([{ revoked: true }]);
    // The guest has an account of their own, and stays.
    expect(await occurrencesOf(guest.email)).not.toEqual([]);
    expect(await auditedActions(plane, me.account.id)).toEqual(['account.erased']);
  });

  it('is erased once, however many replicas try', async () => {
    const { browser, me } = await plane.signUp();
    await browser.send('DELETE', '/api/account');
    await endGrace(me.account.id);
    const counts = await Promise.all([eraseDue(), eraseDue(), eraseDue()]);
    expect(counts.reduce((sum, count) => sum + count)).toBe(1);
  });

  it('cannot be restored', async () => {
    const { browser, me } = await plane.signUp();
    await browser.send('DELETE', '/api/account');
    await endGrace(me.account.id);
    await eraseDue();
    expect((await browser.send('POST', '/api/account/restore')).status).toBe(401);
  });
});

describe('an account with more rows than a statement can delete', () => {
  const ROWS = 250;
  const PIECE = 100;

  it('is erased in pieces, and nobody is in it from the first one on', async () => {
    const { browser, me, email } = await plane.signUp();
    await browser.mint({ name: 'secret project' });
    const { id } = me.account;
    const of = [id, ROWS];
    await plane.database.query(
      `INSERT INTO control.management_tokens (account_id, id, name, token_hash, preview, role, created_by, expires_at)
       SELECT $1::uuid, gen_random_uuid(), 'many', encode(sha256(($1::uuid || '-' || n)::bytea), 'hex'), 'p', 'viewer', gen_random_uuid(), now() + interval '1 day'
       FROM generate_series(1, $2) AS n`,
      of,
    );
    await plane.database.query(
      `INSERT INTO control.idempotent_requests (account_id, actor_id, route, key, body_hash)
       SELECT $1::uuid, gen_random_uuid(), 'POST /api/keys', n::text, repeat('0', 64) FROM generate_series(1, $2) AS n`,
      of,
    );
    await browser.send('DELETE', '/api/account');
    await endGrace(id);

    const client = new ControlClient(plane.database.urls.controlApp);
    const left = async () => {
      const [row] = await plane.database.query<{ rows: number }>(
        `SELECT (SELECT count(*) FROM control.management_tokens WHERE account_id = $1)
           + (SELECT count(*) FROM control.idempotent_requests WHERE account_id = $1) AS rows`,
        [id],
      );
      return Number(row?.rows);
    };
    const steps: string[] = [];
    let before = await left();
    while (steps.at(-1) !== 'erased' && steps.length < 20) {
      const [row] = await client.withAccount(
        id,
        (tx) => tx.$queryRaw<{ step: string }[]>`SELECT control.erase_account(${id}::uuid, ${PIECE}::integer) AS step`,
      );
      steps.push(row?.step ?? '');
      expect(before - (await left())).toBeLessThanOrEqual(PIECE);
      before = await left();
      expect((await browser.send('GET', '/api/me')).status).toBe(401);
      expect((await browser.send('POST', '/api/account/restore')).status).toBe(401);
    }
    await client.close();
    expect(steps.slice(0, -1)).toEqual(steps.slice(0, -1).map(() => 'more'));
    expect(steps.length).toBeGreaterThan((2 * ROWS) / PIECE);
    expect([await occurrencesOf(email), await occurrencesOf('secret project'), await left()]).toEqual([[], [], 0]);
    const [told] = await plane.database.query(
      "SELECT details FROM control.audit_entries WHERE action = 'account.erased' AND account_id = $1",
      [id],
    );
    expect(told).toMatchObject({ details: { peopleErased: 1, auditEntriesErased: expect.any(Number) } });
  });
});

describe('an account that cannot be erased', () => {
  it('keeps no other, is tried again later and later, and operators see it', async () => {
    const [stuck, behind] = [await plane.signUp(), await plane.signUp()];
    for (const { browser, me } of [stuck, behind]) {
      await browser.send('DELETE', '/api/account');
      await endGrace(me.account.id);
    }
    const { id } = stuck.me.account;
    await plane.database.query(`CREATE FUNCTION control.stuck() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF old.account_id = '${id}' THEN RAISE EXCEPTION 'this one stays'; END IF; RETURN old; END $$`);
    await plane.database.query(
      'CREATE TRIGGER stuck BEFORE DELETE ON control.audit_entries FOR EACH ROW EXECUTE FUNCTION control.stuck()',
    );
    const state = async () => {
      const [row] = await plane.database.query<{ failures: number; error: string; minutes: number }>(
        `SELECT failures, last_error AS error, round(extract(epoch FROM next_attempt_at - now()) / 60)::int AS minutes
         FROM control.account_erasures WHERE account_id = $1`,
        [id],
      );
      return row;
    };
    const endWait = () =>
      plane.database.query('UPDATE control.account_erasures SET next_attempt_at = now() WHERE account_id = $1', [id]);
    try {
      expect(await eraseDue()).toBe(1);
      expect(await state()).toEqual({ failures: 1, error: expect.stringContaining('this one stays'), minutes: 10 });
      expect(await eraseDue()).toBe(0);
      expect((await state())?.failures).toBe(1);
      for (const minutes of [20, 40]) {
        await endWait();
        expect(await eraseDue()).toBe(0);
        expect((await state())?.minutes).toBe(minutes);
      }
      const metrics = await plane.browser().send('GET', '/metrics');
      expect(metrics.text).toMatch(/tensorloop_control_erasures\{[^}]*state="failing"[^}]*\} 1\n/);
    } finally {
      await plane.database.query('DROP FUNCTION control.stuck() CASCADE');
    }
    await endWait();
    expect(await eraseDue()).toBe(1);
    expect(await state()).toBeUndefined();
  });
});

describe('an account within its grace, or whose deletion nobody asked for', () => {
  it('is not erased, not even by the application’s own role', async () => {
    const [waiting, living] = [await plane.signUp(), await plane.signUp()];
    await waiting.browser.send('DELETE', '/api/account');
    expect(await eraseDue()).toBe(0);
    const client = new ControlClient(plane.database.urls.controlApp);
    for (const { me } of [waiting, living]) {
      const rows = await client.withAccount(
        me.account.id,
        (tx) => tx.$queryRaw`SELECT control.erase_account(${me.account.id}::uuid, 100) AS step`,
      );
      expect(rows).toEqual([{ step: 'none' }]);
    }
    await client.close();
    expect((await waiting.browser.send('GET', '/api/me')).status).toBe(200);
  });
});
