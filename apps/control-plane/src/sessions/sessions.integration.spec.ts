import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { SessionList } from '@tensorloop/contracts/api/sessions';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';
import { UsersService } from '../users/users.service.js';
import { sessionTokenHash } from './session.rules.js';
import { SessionsService } from './sessions.service.js';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0';
const MINUTE_MS = 60_000;

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterEach(() => {
  plane.clockOffsetMs = 0;
});
afterAll(() => plane.close());

async function signIn(email: string, password: string, headers: Record<string, string> = {}): Promise<TestBrowser> {
  const browser = plane.browser();
  expect((await browser.send('POST', '/api/auth/sign-in', { body: { email, password }, headers })).status).toBe(200);
  return browser;
}

const list = async (browser: TestBrowser) => (await browser.send<SessionList>('GET', '/api/sessions')).body.data;
const isSignedIn = async (browser: TestBrowser) => (await browser.send('GET', '/api/me')).status === 200;

describe('the list of sessions (TL-1)', () => {
  it('shows device, network, method, last use and which one asks, most recently used first', async () => {
    const { browser, email, password } = await plane.signUp();
    plane.clockOffsetMs = 10 * MINUTE_MS;
    const phone = await signIn(email, password, { 'user-agent': FIREFOX, 'x-forwarded-for': '203.0.113.77' });
    expect(await list(browser)).toEqual([
      expect.objectContaining({ isCurrent: true, method: 'password', device: { browser: null, system: null } }),
      {
        id: expect.any(String),
        isCurrent: false,
        method: 'password',
        device: { browser: 'Firefox 150', system: 'Linux' },
        network: '203.0.113.0/24',
        createdAt: expect.any(String),
        lastSeenAt: expect.any(String),
        expiresAt: expect.any(String),
      },
    ]);
    expect((await list(phone)).find(({ isCurrent }) => isCurrent)?.network).toBe('203.0.113.0/24');
  });

  it('names no token and no hash of one', async () => {
    const { browser } = await plane.signUp();
    const { text } = await browser.send('GET', '/api/sessions');
    expect(text).not.toContain(browser.cookie?.split('=')[1]);
    expect(text).not.toMatch(/[0-9a-f]{64}/);
  });

  it('has no session of anybody else, and none that is over', async () => {
    const [one, two] = [await plane.signUp(), await plane.signUp()];
    const other = await signIn(one.email, one.password);
    await other.send('POST', '/api/auth/sign-out');
    expect(await list(one.browser)).toHaveLength(1);
    expect(await list(two.browser)).toHaveLength(1);
  });
});

describe('ending sessions (TL-1)', () => {
  it('binds on the next request of the browser that had it, and is in the audit log', async () => {
    const { browser, email, password, me } = await plane.signUp();
    const phone = await signIn(email, password);
    const [id] = (await list(browser)).filter(({ isCurrent }) => !isCurrent).map((session) => session.id);
    expect((await browser.send('DELETE', `/api/sessions/${id}`)).status).toBe(204);
    expect(await isSignedIn(phone)).toBe(false);
    expect(await isSignedIn(browser)).toBe(true);
    expect((await browser.send('DELETE', `/api/sessions/${id}`)).body.code).toBe('session_not_found');
    const [entry] = await plane.database.query(
      "SELECT subject_id, actor_label FROM control.audit_entries WHERE account_id = $1 AND action = 'session.revoked'",
      [me.account.id],
    );
    expect(entry).toEqual({ subject_id: id, actor_label: email });
  });

  it('of somebody else is answered as one that does not exist, and changes nothing', async () => {
    const [one, two] = [await plane.signUp(), await plane.signUp()];
    const id = (await list(two.browser))[0]?.id as string;
    const [foreign, missing] = await Promise.all(
      [id, randomUUID()].map((it) => one.browser.send('DELETE', `/api/sessions/${it}`)),
    );
    const withoutIds = ({ body }: { body: object }) => ({ ...body, requestId: null });
    expect(withoutIds(foreign as never)).toEqual(withoutIds(missing as never));
    expect(foreign?.status).toBe(404);
    expect(await isSignedIn(two.browser)).toBe(true);
  });

  it('ends one’s own and clears the cookie', async () => {
    const { browser } = await plane.signUp();
    const id = (await list(browser))[0]?.id;
    const { status, headers } = await browser.send('DELETE', `/api/sessions/${id}`);
    expect([status, headers.getSetCookie()[0]]).toEqual([204, expect.stringContaining('tl_session=;')]);
    expect(await isSignedIn(browser)).toBe(false);
  });

  it('ends all others at once', async () => {
    const { browser, email, password } = await plane.signUp();
    const others = [await signIn(email, password), await signIn(email, password)];
    const { status, body } = await browser.send<{ revoked: number }>('DELETE', '/api/sessions');
    expect([status, body]).toEqual([200, { revoked: 2 }]);
    expect(await Promise.all(others.map(isSignedIn))).toEqual([false, false]);
    expect(await isSignedIn(browser)).toBe(true);
  });

  it('is nothing that another site can do, and nothing without a session', async () => {
    const { browser } = await plane.signUp();
    const forged = await browser.send('DELETE', '/api/sessions', { headers: { 'sec-fetch-site': 'cross-site' } });
    expect(forged.body.code).toBe('cross_site_request');
    expect((await plane.browser().send('GET', '/api/sessions')).body.code).toBe('session_missing');
  });

  it('ends that of a user whom an operator disabled', async () => {
    const { browser, me, email, password } = await plane.signUp();
    await plane.database.query('UPDATE control.users SET disabled_at = now() WHERE id = $1', [me.user.id]);
    expect(await isSignedIn(browser)).toBe(false);
    const again = await plane.browser().send('POST', '/api/auth/sign-in', { body: { email, password } });
    expect(again.body.code).toBe('credentials_wrong');
  });
});

describe('a session’s token', () => {
  it('is another after a rotation; when the session began and ends stays', async () => {
    const { browser, me } = await plane.signUp();
    const [before] = await list(browser);
    const owner = { userId: me.user.id, accountId: me.account.id, credentialId: before?.id as string };
    const sessions = plane.app.get(SessionsService, { strict: false });
    plane.clockOffsetMs = 10 * MINUTE_MS;
    const token = await sessions.rotate(owner);
    expect(await isSignedIn(browser)).toBe(false);
    browser.cookie = `tl_session=${token}`;
    const [after] = await list(browser);
    expect(after).toMatchObject({ id: before?.id, createdAt: before?.createdAt });
    expect(await sessions.rotate({ ...owner, credentialId: randomUUID() })).toBeNull();
  });

  it('is given to one of two that rotate it at once', async () => {
    const { browser, me } = await plane.signUp();
    const [session] = await list(browser);
    const owner = { userId: me.user.id, accountId: me.account.id, credentialId: session?.id as string };
    const sessions = plane.app.get(SessionsService, { strict: false });
    const tokens = await Promise.all([sessions.rotate(owner), sessions.rotate(owner)]);
    const alive = await Promise.all(tokens.map((token) => sessions.authenticate(token)));
    expect(alive.filter((principal) => principal !== null)).toHaveLength(1);
  });
});

describe('what ends sessions, at the same moment', () => {
  /** Transactions that wait for a row that another has. */
  async function countWaiting(): Promise<number> {
    const events = `('transactionid', 'tuple')`;
    const sql = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event IN ${events}`;
    return (await plane.database.query(sql)).length;
  }

  /** Makes `change`, and commits it once `other` waits for it, with as many requests as it makes. */
  async function overtake<T>(
    { userId, waiters = 1, url = plane.database.urls.controlApp }: { userId: string; waiters?: number; url?: string },
    change: (tx: ControlTransaction) => Promise<unknown>,
    other: () => Promise<T>,
  ): Promise<T> {
    const client = new ControlClient(url);
    try {
      const { begun } = await client.within({ userId }, async (tx) => {
        await change(tx);
        const pending = other();
        await waitUntil(async () => (await countWaiting()) >= waiters, { what: 'the lock' });
        // Wrapped: a promise that is returned bare would be awaited before the commit.
        return { begun: pending };
      });
      return await begun;
    } finally {
      await client.close();
    }
  }

  async function signedUp() {
    const { browser, me, email, password } = await plane.signUp();
    const id = (await list(browser))[0]?.id as string;
    return { browser, email, password, id, userId: me.user.id, accountId: me.account.id };
  }

  async function rowsOf(accountId: string) {
    const [rows] = await plane.database.query(
      `SELECT (SELECT count(*) FROM control.management_tokens WHERE account_id = $1) AS tokens,
         (SELECT count(*) FROM control.invites WHERE account_id = $1) AS invites,
         (SELECT count(*) FROM control.keys WHERE account_id = $1) AS keys`,
      [accountId],
    );
    return rows;
  }

  it('is not undone by a rotation', async () => {
    const { id, userId, accountId } = await signedUp();
    const sessions = plane.app.get(SessionsService, { strict: false });
    const revoke = (tx: ControlTransaction) => tx.session.updateMany({ where: { id }, data: { revokedAt: new Date() } });
    const rotate = () => sessions.rotate({ userId, accountId, credentialId: id });
    expect(await overtake({ userId }, revoke, rotate)).toBeNull();
  });

  it.each([
    ['a management token', 'POST', '/api/tokens', { name: 'late', role: 'owner' }],
    ['an invitation', 'POST', '/api/invites', { email: 'late@example.com', role: 'owner' }],
    ['a key', 'POST', '/api/keys', { name: 'late' }],
    ['a password', 'PUT', '/api/auth/password', { currentPassword: 'PASSWORD', newPassword: 'late horse, late battery' }],
  ])('leaves nothing behind of a change that was let in before: %s', async (...[, method, path, body]) => {
    const { browser, id, userId, accountId, email, password } = await signedUp();
    const revoke = (tx: ControlTransaction) => tx.session.updateMany({ where: { id }, data: { revokedAt: new Date() } });
    const before = await rowsOf(accountId);
    const sent = 'currentPassword' in body ? { ...body, currentPassword: password } : body;
    const late = await overtake({ userId }, revoke, () => browser.send(method, path, { body: sent }));
    expect([late.status, late.body.code]).toEqual([401, 'credential_over']);
    expect(await rowsOf(accountId)).toEqual(before);
    expect((await plane.browser().send('POST', '/api/auth/sign-in', { body: { email, password } })).status).toBe(200);
  });

  it.each([
    ['who is a member no more', false],
    ['whose role may less now', true],
  ])('leaves nothing behind of a change by somebody %s', async (...[, staysMember]) => {
    const { browser, userId, accountId } = await signedUp();
    const before = await rowsOf(accountId);
    for (const [method, path, body] of [
      ['POST', '/api/keys', { name: 'late' }],
      ['POST', '/api/projects', { name: 'late' }],
      ['PATCH', '/api/account', { name: 'late' }],
    ] as const) {
      const change = (tx: ControlTransaction) =>
        staysMember
          ? tx.membership.updateMany({ where: { accountId, userId }, data: { role: 'viewer' } })
          : tx.membership.deleteMany({ where: { accountId, userId } });
      const late = await overtake({ userId, url: plane.database.superuserUrl }, change, () =>
        browser.send(method, path, { body }),
      );
      expect([late.status, late.body.code]).toEqual([401, 'credential_over']);
      await plane.database.query(
        "INSERT INTO control.memberships (account_id, user_id, role) VALUES ($1, $2, 'owner') ON CONFLICT (account_id, user_id) DO UPDATE SET role = 'owner'",
        [accountId, userId],
      );
    }
    expect(await rowsOf(accountId)).toEqual(before);
    expect((await browser.send('POST', '/api/keys', { body: { name: 'in time' } })).status).toBe(201);
  });

  it('leaves no Google account linked that was being linked', async () => {
    const { id, userId, accountId, email } = await signedUp();
    const revoke = (tx: ControlTransaction) => tx.session.updateMany({ where: { id }, data: { revokedAt: new Date() } });
    const users = plane.app.get(UsersService, { strict: false });
    const user = { id: userId, email, passwordHash: null, isVerified: true, isDisabled: false };
    const identity = { issuer: 'https://accounts.google.com', subject: randomUUID(), email };
    const link = () =>
      users
        .linkIdentity(user, identity, { session: { id, accountId }, provesAddress: false })
        .catch((err: { code?: string }) => err.code);
    expect(await overtake({ userId }, revoke, link)).toBe('credential_over');
    expect(await plane.database.query('SELECT FROM control.identities WHERE user_id = $1', [userId])).toEqual([]);
  });

  it.each([
    ['one by one', 1, (id: string) => `/api/sessions/${id}`, [204, 401]],
    ['all others at once', 2, () => '/api/sessions', [200, 401]],
  ])('waits for no session that waits for it, when two end each other: %s', async (...[, width, path, expected]) => {
    const { browser: one, email, password, id: oneId, userId } = await signedUp();
    const two = await signIn(email, password);
    if (width > 1) await signIn(email, password);
    const ids = (await list(one)).map(({ id }) => id);
    const twoId = (await list(two)).find(({ isCurrent }) => isCurrent)?.id as string;
    const held = width > 1 ? ids.filter((id) => id !== oneId && id !== twoId) : [oneId, twoId];
    const hold = (tx: ControlTransaction) =>
      tx.session.updateMany({ where: { id: { in: held } }, data: { lastSeenAt: new Date() } });
    const both = () => Promise.all([one.send('DELETE', path(twoId)), two.send('DELETE', path(oneId))]);
    const answers = await overtake({ userId, waiters: 2 }, hold, both);
    expect(answers.map(({ status }) => status).sort()).toEqual(expected);
  });

  async function linkGoogle(userId: string, email: string) {
    const identity = { issuer: 'https://accounts.google.com', subject: randomUUID() };
    await plane.database.query('INSERT INTO control.identities (issuer, subject, user_id, email) VALUES ($1, $2, $3, $4)', [
      identity.issuer,
      identity.subject,
      userId,
      email,
    ]);
    return identity;
  }

  it('ends a sign-in with the Google account that is just being unlinked, and none with one that is not', async () => {
    const { userId, email } = await signedUp();
    const sessions = plane.app.get(SessionsService, { strict: false });
    const identity = await linkGoogle(userId, email);
    const proof = { method: 'google', identity, previousToken: null } as const;
    const signIn = () => sessions.begin({ id: userId, email, passwordHash: null }, proof);
    const unlink = async (tx: ControlTransaction) => {
      await tx.$queryRaw`SELECT FROM control.users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`;
      await tx.identity.deleteMany({ where: { userId } });
    };
    expect(await signIn()).not.toBeNull();
    expect(await overtake({ userId }, unlink, signIn)).toBeNull();
    // Nor does another Google account of the same person do.
    await linkGoogle(userId, email);
    expect(await signIn()).toBeNull();
  });

  it('takes a Google account with it that is being linked while Google is unlinked', async () => {
    const { id, userId, accountId, email, password } = await signedUp();
    const two = await signIn(email, password);
    await linkGoogle(userId, email);
    const users = plane.app.get(UsersService, { strict: false });
    const user = { id: userId, email, passwordHash: null, isVerified: true, isDisabled: false };
    const identity = { issuer: 'https://accounts.google.com', subject: randomUUID(), email };
    const link = () => users.linkIdentity(user, identity, { session: { id, accountId }, provesAddress: false });
    // As a change of the account that is just being logged: the link has everything but its entry.
    const hold = (tx: ControlTransaction) =>
      tx.$queryRaw`SELECT FROM control.audit_heads WHERE account_id = ${accountId}::uuid FOR UPDATE`;
    const both = async () => {
      const linked = link();
      await waitUntil(async () => (await countWaiting()) === 1, { what: 'the link to wait' });
      return Promise.all([linked, two.send('DELETE', '/api/auth/google/link')]);
    };
    const [isLinked, unlinked] = await overtake({ userId, waiters: 2, url: plane.database.superuserUrl }, hold, both);
    expect([isLinked, unlinked.status]).toEqual([true, 204]);
    expect(await plane.database.query('SELECT FROM control.identities WHERE user_id = $1', [userId])).toEqual([]);
  });

  it('finds a session whose token is just changing', async () => {
    const { browser, id, userId } = await signedUp();
    const rotate = (tx: ControlTransaction) =>
      tx.session.updateMany({ where: { id }, data: { tokenHash: sessionTokenHash('another') } });
    await overtake({ userId }, rotate, () => browser.send('POST', '/api/auth/sign-out'));
    const [row] = await plane.database.query('SELECT revoked_at AS at FROM control.sessions WHERE id = $1', [id]);
    expect(row).toEqual({ at: expect.any(Date) });
  });

  it('ends a sign-in with the password that was right until then', async () => {
    const { email, password, userId } = await signedUp();
    const reset = (tx: ControlTransaction) => tx.user.updateMany({ where: { id: userId }, data: { passwordHash: null } });
    const late = await overtake({ userId }, reset, () =>
      plane.browser().send('POST', '/api/auth/sign-in', { body: { email, password } }),
    );
    expect([late.status, late.body.code]).toEqual([401, 'credentials_wrong']);
  });
});
