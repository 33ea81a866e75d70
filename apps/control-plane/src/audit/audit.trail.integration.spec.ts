import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ControlClient } from '@tensorloop/db/control-client';
import { START_TIMEOUT_MS, startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';
import { addMember } from '../members/members.fixture.js';
import { AuditTrail, CHANGES_PER_ACTOR_MAX } from './audit.trail.js';
import type { AuditAction } from './audit.types.js';

let plane: TestControlPlane;

beforeAll(async () => {
  plane = await startControlPlane();
}, START_TIMEOUT_MS);
afterAll(() => plane.close());

describe('the audit trail (spec TL-1)', () => {
  it('numbers entries and links each to the one before, and rolls back with the change', async () => {
    const { me } = await plane.signUp();
    const accountId = me.account.id;
    const control = plane.app.get(ControlClient);
    const trail = plane.app.get(AuditTrail);
    const actor = { kind: 'system' as const, id: null, label: 'spec' };
    const append = (action: AuditAction, fails = false) =>
      control.withAccount(accountId, async (tx) => {
        await trail.append(tx, { accountId, action, subject: { kind: 'key', id: 'k' }, actor });
        if (fails) throw new Error('planted');
      });
    const before = await control.withAccount(accountId, (tx) => tx.auditEntry.count());
    await append('account.renamed');
    await expect(append('account.restored', true)).rejects.toThrow('planted');
    await append('account.exported');
    const entries = await control.withAccount(accountId, (tx) => tx.auditEntry.findMany({ orderBy: { sequence: 'asc' } }));
    const added = entries.slice(before);
    expect(added.map(({ action }) => action)).toEqual(['account.renamed', 'account.exported']);
    expect(added[1]?.previousHash).toBe(added[0]?.hash);
    expect(added[1]?.sequence).toBe((added[0]?.sequence ?? 0n) + 1n);
  });
});

describe('changes of one actor in one account', () => {
  /** As if the user had made so many changes, the oldest of them `hours` ago. */
  async function fill(accountId: string, userId: string, hours: number): Promise<void> {
    await plane.database.query(`SELECT set_config('app.account_id', '${accountId}', false);
      SELECT control.append_audit('${accountId}', now() - interval '${hours} hours', '{"kind": "user", "id": "${userId}", "label": "busy"}',
        'account.renamed', '{"kind": "account", "id": "a"}', '{}', '{}') FROM generate_series(1, ${CHANGES_PER_ACTOR_MAX})`);
  }

  it('are refused beyond a day’s worth, and nobody else’s are; what takes access away works', async () => {
    const { browser, me } = await plane.signUp();
    const { body: key } = await browser.mint();
    const colleague = await addMember(plane, me.account.id, 'admin');
    await fill(me.account.id, me.user.id, 23);
    const rename = (who: typeof browser, name: string) => who.send('PATCH', '/api/account', { body: { name } });
    const refused = await rename(browser, 'one too many');
    expect([refused.status, refused.body.code]).toEqual([429, 'changes_throttled']);
    expect(refused.headers.get('ratelimit-policy')).toBe(`"changes-by-actor";q=${CHANGES_PER_ACTOR_MAX};w=86400`);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3_500);
    expect((await rename(colleague.browser, 'by somebody else')).status).toBe(200);
    expect((await browser.send('DELETE', `/api/keys/${key.id}`)).status).toBe(204);
    expect((await browser.send('POST', '/api/auth/sign-out')).status).toBe(204);
  });

  it('leave unlinking Google, demoting and removing a member possible, and promoting one not', async () => {
    const { browser, me } = await plane.signUp();
    const colleague = await addMember(plane, me.account.id, 'developer');
    await plane.database.query(
      `INSERT INTO control.identities (issuer, subject, user_id, email, created_at)
       VALUES ('https://accounts.google.com', $1::text, $1::uuid, 'linked@example.com', now())`,
      [me.user.id],
    );
    await fill(me.account.id, me.user.id, 1);
    const setRole = (role: string) => browser.send('PATCH', `/api/members/${colleague.userId}`, { body: { role } });
    expect((await setRole('viewer')).status).toBe(200);
    expect((await setRole('developer')).body.code).toBe('changes_throttled');
    expect((await browser.send('DELETE', '/api/auth/google/link')).status).toBe(204);
    expect((await browser.send('DELETE', `/api/members/${colleague.userId}`)).status).toBe(204);
  });

  it('are made again once the first of them is a day old', async () => {
    const { browser, me } = await plane.signUp();
    await fill(me.account.id, me.user.id, 25);
    expect((await browser.send('PATCH', '/api/account', { body: { name: 'a day later' } })).status).toBe(200);
  });
});
