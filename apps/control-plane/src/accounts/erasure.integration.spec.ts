import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ControlClient } from '@tensorloop/db/control-client';
import { START_TIMEOUT_MS, startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';
import { addMember, auditedActions } from '../members/members.fixture.js';
import { ErasureService } from './erasure.service.js';

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
}, START_TIMEOUT_MS);
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

describe('an account within its grace, or whose deletion nobody asked for', () => {
  it('is not erased, not even by the application’s own role', async () => {
    const [waiting, living] = [await plane.signUp(), await plane.signUp()];
    await waiting.browser.send('DELETE', '/api/account');
    expect(await eraseDue()).toBe(0);
    const client = new ControlClient(plane.database.urls.controlApp);
    for (const { me } of [waiting, living]) {
      const rows = await client.withAccount(
        me.account.id,
        (tx) => tx.$queryRaw`SELECT control.erase_account(${me.account.id}::uuid) AS erased`,
      );
      expect(rows).toEqual([{ erased: false }]);
    }
    await client.close();
    expect((await waiting.browser.send('GET', '/api/me')).status).toBe(200);
  });
});
