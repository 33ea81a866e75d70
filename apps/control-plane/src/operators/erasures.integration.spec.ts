import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { OperatorErasure, OperatorErasurePage } from '@tensorloop/contracts/api/operator';
import { ControlClient } from '@tensorloop/db/control-client';
import { startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';

const MINUTE_MS = 60_000;
const STEPS_MAX = 20;

let plane: TestControlPlane;
let operator: TestBrowser;
/** An account in each state. */
let ids: Record<OperatorErasure['state'], string>;

beforeAll(async () => {
  plane = await startControlPlane();
  const { browser, me } = await plane.signUp(`operator-${randomUUID()}@example.com`);
  await plane.database.query('INSERT INTO control.operators (user_id) VALUES ($1)', [me.user.id]);
  operator = browser;
  const waiting = await deleted();
  const [due, under_way, failing, erased] = [await over(), await over(), await over(), await over()];
  await erase(under_way);
  await erase(failing);
  await plane.database.query("SELECT control.note_erasure_failure($1, 'deadlock detected')", [failing]);
  let step = '';
  for (let steps = 0; step !== 'erased' && steps < STEPS_MAX; steps++) step = await erase(erased);
  ids = { waiting, due, under_way, failing, erased };
});
afterAll(() => plane.close());

async function deleted(): Promise<string> {
  const { browser, me } = await plane.signUp();
  await browser.mint();
  await browser.send('DELETE', '/api/account');
  return me.account.id;
}

/** Of which the grace has ended. */
async function over(): Promise<string> {
  const id = await deleted();
  await plane.database.query("UPDATE control.accounts SET delete_after = now() - interval '1 second' WHERE id = $1", [id]);
  return id;
}

/** One piece, as any control plane does it. */
async function erase(accountId: string): Promise<string> {
  const [row] = await plane.app
    .get(ControlClient)
    .withAccount(
      accountId,
      (tx) => tx.$queryRaw<{ step: string }[]>`SELECT control.erase_account(${accountId}::uuid, 100) AS step`,
    );
  return row?.step ?? '';
}

const list = async (query = '') =>
  (await operator.send<OperatorErasurePage>('GET', `/api/operator/erasures${query}`)).body.data;

describe('deletions of accounts, for operators (TL-1)', () => {
  it('are those that were asked for and not carried out, each with how far it has come and what is next', async () => {
    const rows = new Map((await list()).map((row) => [row.accountId, row]));
    expect([...rows.keys()].sort()).toEqual([ids.waiting, ids.due, ids.under_way, ids.failing].sort());
    const waiting = rows.get(ids.waiting);
    expect(waiting).toMatchObject({ state: 'waiting', pieces: 0, begunAt: null, failures: 0, lastError: null });
    expect(waiting?.nextTryAt).toBe(waiting?.deleteAfter);
    const nothing = { failures: 0, lastError: null, nextTryAt: null, erasedAt: null };
    expect(rows.get(ids.due)).toMatchObject({ state: 'due', pieces: 0, begunAt: null, ...nothing });
    expect(rows.get(ids.under_way)).toMatchObject({ state: 'under_way', pieces: 1, begunAt: expect.any(String), ...nothing });
    const failing = rows.get(ids.failing) as OperatorErasure;
    expect(failing).toMatchObject({ state: 'failing', pieces: 1, failures: 1, lastError: 'deadlock detected' });
    const waitMs = Date.parse(failing.nextTryAt as string) - Date.parse(failing.workedAt as string);
    expect([waitMs > 9 * MINUTE_MS, waitMs < 11 * MINUTE_MS]).toEqual([true, true]);
  });

  it('are found by state; what was carried out says when, and no name', async () => {
    for (const state of Object.keys(ids) as OperatorErasure['state'][])
      expect((await list(`?state=${state}`)).map((row) => [row.accountId, row.state])).toEqual([[ids[state], state]]);
    const [erased] = await list('?state=erased');
    expect(erased).toMatchObject({ name: 'deleted', erasedAt: expect.any(String), nextTryAt: null, lastError: null });
    expect((await operator.send('GET', '/api/operator/erasures?state=lost')).status).toBe(400);
  });

  it('come in pages, the newest account first and each once', async () => {
    const seen: string[] = [];
    let query = '?limit=3';
    for (let pages = 0; pages < 2; pages++) {
      const { body } = await operator.send<OperatorErasurePage>('GET', `/api/operator/erasures${query}`);
      seen.push(...body.data.map(({ accountId }) => accountId));
      query = `?limit=3&cursor=${body.nextCursor}`;
      expect(body.hasMore).toBe(pages === 0);
    }
    expect(seen).toEqual([ids.failing, ids.under_way, ids.due, ids.waiting]);
  });

  it('tell how many pieces they took in the log of the account', async () => {
    const [entry] = await plane.database.query<{ details: { pieces: number } }>(
      "SELECT details FROM control.audit_entries WHERE action = 'account.erased' AND account_id = $1",
      [ids.erased],
    );
    expect(entry?.details.pieces).toBeGreaterThan(2);
  });
});
