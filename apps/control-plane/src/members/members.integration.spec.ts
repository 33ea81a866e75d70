import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Member } from '@tensorloop/contracts/api/members';
import type { Page } from '@tensorloop/contracts/api/pages';
import type { Me, Problem, Role } from '@tensorloop/contracts/dashboard-api';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';
import { addMember, auditedActions } from './members.fixture.js';

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

function setRole(browser: TestBrowser, userId: string, role: Role) {
  return browser.send<Member & Problem>('PATCH', `/api/members/${userId}`, { body: { role } });
}

function remove(browser: TestBrowser, userId: string) {
  return browser.send('DELETE', `/api/members/${userId}`);
}

async function rolesOf(accountId: string): Promise<string[]> {
  const rows = await plane.database.query<{ role: string }>(
    'SELECT role FROM control.memberships WHERE account_id = $1 ORDER BY role',
    [accountId],
  );
  return rows.map(({ role }) => role);
}

describe('the members of an account', () => {
  it('are listed with their roles, page by page, for everybody in it', async () => {
    const { me, email } = await plane.signUp();
    const viewer = await addMember(plane, me.account.id, 'viewer');
    const { data } = (await viewer.browser.send<Page<Member>>('GET', '/api/members')).body;
    expect(data.map((member) => [member.email, member.role])).toEqual([
      [email, 'owner'],
      [viewer.email, 'viewer'],
    ]);
    expect(data.map(({ isCurrent }) => isCurrent)).toEqual([false, true]);
    const first = (await viewer.browser.send<Page<Member>>('GET', '/api/members?limit=1')).body;
    expect([first.data.map(({ userId }) => userId), first.hasMore]).toEqual([[me.user.id], true]);
    const rest = (await viewer.browser.send<Page<Member>>('GET', `/api/members?limit=1&cursor=${first.nextCursor}`)).body;
    expect([rest.data.map(({ userId }) => userId), rest.nextCursor]).toEqual([[viewer.userId], null]);
  });

  it('are nobody to whom a management token belongs when it asks', async () => {
    const { browser } = await plane.signUp();
    const { body } = await browser.send<{ token: string }>('POST', '/api/tokens', { body: { name: 't', role: 'viewer' } });
    const headers = { authorization: `Bearer ${body.token}` };
    const { data } = (await plane.browser().send<Page<Member>>('GET', '/api/members', { headers })).body;
    expect(data.map(({ isCurrent }) => isCurrent)).toEqual([false]);
  });

  it('get other roles from those who may, at once', async () => {
    const { browser, me } = await plane.signUp();
    const member = await addMember(plane, me.account.id, 'viewer');
    expect((await member.browser.mint()).status).toBe(403);
    expect(await setRole(browser, member.userId, 'developer')).toMatchObject({ status: 200, body: { role: 'developer' } });
    expect((await member.browser.mint()).status).toBe(201);
    // With the same cookie: no session holds a role.
    await setRole(browser, member.userId, 'viewer');
    expect((await member.browser.mint()).body.code).toBe('role_insufficient');
    expect(await auditedActions(plane, me.account.id)).toContain('member.role_changed');
  });

  it('get other roles from whoever saw the one they have: If-Match with the tag of that answer', async () => {
    const { browser, me } = await plane.signUp();
    const member = await addMember(plane, me.account.id, 'viewer');
    const path = `/api/members/${member.userId}`;
    const seen = await browser.send<Member>('GET', path);
    const etag = seen.headers.get('etag') as string;
    expect([seen.status, seen.body.version]).toEqual([200, 1]);
    expect(etag).toMatch(/^"1\./);
    expect((await browser.send('GET', path, { headers: { 'if-none-match': etag } })).status).toBe(304);
    const change = (role: Role, ifMatch: string) =>
      browser.send<Member & Problem>('PATCH', path, { body: { role }, headers: { 'if-match': ifMatch } });
    const changed = await change('developer', etag);
    expect([changed.status, changed.body.version, changed.headers.get('etag')?.slice(0, 3)]).toEqual([200, 2, '"2.']);
    const late = await change('admin', etag);
    expect([late.status, late.body.code]).toEqual([412, 'precondition_failed']);
    expect((await browser.send<Member>('GET', path)).body.role).toBe('developer');
    const { data } = (await browser.send<Page<Member>>('GET', '/api/members')).body;
    expect(data.find(({ userId }) => userId === member.userId)?.version).toBe(2);
    expect((await change('admin', '"2"')).status).toBe(200);
    const [foreign, absent] = [await plane.signUp(), uuid7()];
    for (const id of [foreign.me.user.id, absent])
      expect((await browser.send('GET', `/api/members/${id}`)).body.code).toBe('member_not_found');
  });

  it('are given no role above that of who gives it, and owners are changed by owners alone', async () => {
    const { me } = await plane.signUp();
    const admin = await addMember(plane, me.account.id, 'admin');
    const viewer = await addMember(plane, me.account.id, 'viewer');
    expect((await setRole(admin.browser, viewer.userId, 'owner')).body.code).toBe('role_above_own');
    expect((await setRole(admin.browser, admin.userId, 'owner')).body.code).toBe('role_above_own');
    expect((await setRole(admin.browser, me.user.id, 'viewer')).body.code).toBe('member_above_role');
    expect((await remove(admin.browser, me.user.id)).body.code).toBe('member_above_role');
    expect((await setRole(viewer.browser, viewer.userId, 'admin')).body.code).toBe('role_insufficient');
    expect((await remove(viewer.browser, admin.userId)).body.code).toBe('not_permitted');
  });
});

describe('leaving and being removed', () => {
  it('ends what the member may do with the next request', async () => {
    const { browser, me } = await plane.signUp();
    const member = await addMember(plane, me.account.id, 'developer');
    expect((await member.browser.send('GET', '/api/keys')).status).toBe(200);
    expect((await remove(browser, member.userId)).status).toBe(204);
    expect((await member.browser.send('GET', '/api/keys')).status).toBe(401);
    expect((await remove(browser, member.userId)).status).toBe(404);
  });

  it('is everybody’s to do for themselves', async () => {
    const { me } = await plane.signUp();
    const viewer = await addMember(plane, me.account.id, 'viewer');
    expect((await remove(viewer.browser, viewer.userId)).status).toBe(204);
    expect(await rolesOf(me.account.id)).toEqual(['owner']);
    expect(await auditedActions(plane, me.account.id)).toContain('member.left');
  });
});

describe('somebody who is left without an account', () => {
  it('can sign in again, to a fresh one of their own', async () => {
    const { browser, me } = await plane.signUp();
    const guest = await plane.signUp();
    await plane.database.query('DELETE FROM control.memberships WHERE user_id = $1', [guest.me.user.id]);
    const credentials = { email: guest.email, password: guest.password };
    const answers = await Promise.all(
      Array.from({ length: 3 }, () => plane.browser().send<Me>('POST', '/api/auth/sign-in', { body: credentials })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const [first] = answers;
    expect(first?.body.account.role).toBe('owner');
    expect(new Set(answers.map(({ body }) => body.account.id)).size).toBe(1);
    expect([guest.me.account.id, me.account.id]).not.toContain(first?.body.account.id);
    expect(await auditedActions(plane, first?.body.account.id as string)).toContain('account.created');
    expect((await browser.send('GET', '/api/me')).status).toBe(200);
  });
});

describe('the last owner', () => {
  it('can neither leave nor be demoted', async () => {
    const { browser, me } = await plane.signUp();
    await addMember(plane, me.account.id, 'admin');
    expect((await remove(browser, me.user.id)).body.code).toBe('last_owner');
    expect((await setRole(browser, me.user.id, 'admin')).body.code).toBe('last_owner');
  });

  it('is left over when two owners demote, or leave, at the same moment', async () => {
    for (let round = 0; round < 5; round++) {
      const { browser, me } = await plane.signUp();
      const second = await addMember(plane, me.account.id, 'owner');
      const answers = await Promise.all(
        round % 2 === 0
          ? [setRole(browser, second.userId, 'viewer'), setRole(second.browser, me.user.id, 'viewer')]
          : [remove(browser, me.user.id), remove(second.browser, second.userId)],
      );
      expect(answers.filter(({ status }) => status < 300)).toHaveLength(1);
      expect((await rolesOf(me.account.id)).filter((role) => role === 'owner')).toHaveLength(1);
    }
  });
});

describe('members of another account (TL-1)', () => {
  it('are answered as if they did not exist', async () => {
    const [one, other] = [await plane.signUp(), await plane.signUp()];
    const answers = await Promise.all([
      setRole(one.browser, other.me.user.id, 'viewer'),
      setRole(one.browser, uuid7(), 'viewer'),
      remove(one.browser, other.me.user.id),
      remove(one.browser, uuid7()),
    ]);
    const said = answers.map(({ status, body: { requestId: _, ...body } }) => ({ status, body }));
    expect(said[0]).toEqual(said[1]);
    expect(said[2]).toEqual(said[3]);
    expect(said.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
    expect(await rolesOf(other.me.account.id)).toEqual(['owner']);
  });
});
