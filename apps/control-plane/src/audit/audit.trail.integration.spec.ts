import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ControlClient } from '@tensorloop/db/control-client';
import { startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';
import { addMember } from '../members/members.fixture.js';
import { AuditTrail, CHANGES_PER_ACTOR_MAX } from './audit.trail.js';
import type { AuditAction } from './audit.types.js';

let plane: TestControlPlane;

beforeAll(async () => {
  plane = await startControlPlane();
});
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

interface Filling {
  hours: number;
  kind?: 'user' | 'token';
  changes?: number;
}

describe('changes of one actor in one account', () => {
  /** As if the user had made so many changes, the oldest of them `hours` ago. */
  async function fill(
    accountId: string,
    actorId: string,
    { hours, kind = 'user', changes = CHANGES_PER_ACTOR_MAX }: Filling,
  ): Promise<void> {
    await plane.database.query(`SELECT set_config('app.account_id', '${accountId}', false);
      SELECT control.append_audit('${accountId}', now() - interval '${hours} hours', '{"kind": "${kind}", "id": "${actorId}", "label": "busy"}',
        'account.renamed', '{"kind": "account", "id": "a"}', '{}', '{}') FROM generate_series(1, ${changes})`);
  }

  it('are refused beyond a day’s worth, and nobody else’s are; what takes access away works', async () => {
    const { browser, me } = await plane.signUp();
    const { body: key } = await browser.mint();
    const colleague = await addMember(plane, me.account.id, 'admin');
    await fill(me.account.id, me.user.id, { hours: 23 });
    const rename = (who: typeof browser, name: string) => who.send('PATCH', '/api/account', { body: { name } });
    const refused = await rename(browser, 'one too many');
    expect([refused.status, refused.body.code]).toEqual([429, 'changes_throttled']);
    expect(refused.headers.get('ratelimit-policy')).toBe(`"changes-by-actor";q=${CHANGES_PER_ACTOR_MAX};w=86400`);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3_500);
    expect((await browser.send('GET', '/api/account/export')).body.code).toBe('changes_throttled');
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
    await fill(me.account.id, me.user.id, { hours: 1 });
    const setRole = (role: string) => browser.send('PATCH', `/api/members/${colleague.userId}`, { body: { role } });
    expect((await setRole('viewer')).status).toBe(200);
    expect((await setRole('developer')).body.code).toBe('changes_throttled');
    expect((await browser.send('DELETE', '/api/auth/google/link')).status).toBe(204);
    expect((await browser.send('DELETE', `/api/members/${colleague.userId}`)).status).toBe(204);
  });

  it('are counted together with those of the tokens that they made, whose entries name the token', async () => {
    const { browser, me } = await plane.signUp();
    const accountId = me.account.id;
    const colleague = await addMember(plane, accountId, 'admin');
    const newToken = async (who: typeof browser) =>
      (await who.send<{ id: string; token: string }>('POST', '/api/tokens', { body: { name: 'busy', role: 'admin' } })).body;
    const [one, two, three, other] = [
      await newToken(browser),
      await newToken(browser),
      await newToken(browser),
      await newToken(colleague.browser),
    ];
    const half = { hours: 23, kind: 'token', changes: CHANGES_PER_ACTOR_MAX / 2 } as const;
    await fill(accountId, one.id, half);
    // What a token did that is revoked counts on.
    await browser.send('DELETE', `/api/tokens/${one.id}`);
    const rename = async (token: string) =>
      (
        await plane
          .browser()
          .send('PATCH', '/api/account', { body: { name: randomUUID() }, headers: { authorization: `Bearer ${token}` } })
      ).status;
    expect(await rename(two.token)).toBe(200);
    await fill(accountId, two.id, half);
    expect(await Promise.all([two, three, other].map(({ token }) => rename(token)))).toEqual([429, 429, 200]);
    expect((await browser.send('PATCH', '/api/account', { body: { name: randomUUID() } })).body.code).toBe('changes_throttled');
    const [entry] = await plane.database.query(
      "SELECT actor_id FROM control.audit_entries WHERE account_id = $1 AND action = 'account.renamed' ORDER BY sequence DESC",
      [accountId],
    );
    expect(entry).toEqual({ actor_id: other.id });
  });

  it('are made again once the first of them is a day old', async () => {
    const { browser, me } = await plane.signUp();
    await fill(me.account.id, me.user.id, { hours: 25 });
    expect((await browser.send('PATCH', '/api/account', { body: { name: 'a day later' } })).status).toBe(200);
  });
});
