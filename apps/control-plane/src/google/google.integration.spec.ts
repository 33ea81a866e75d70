import { generateKeyPairSync, randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { AuthMethods } from '@tensorloop/contracts/api/auth';
import type { Me } from '@tensorloop/contracts/dashboard-api';
import { Events, OAuth2Server } from 'oauth2-mock-server';
import { startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';
import { SmtpSink } from '../mail/smtp-sink.fixture.js';

/** Longer than a sign-in may be old to change how its user signs in. */
const TOO_OLD_MS = 16 * 60_000;

let google: OAuth2Server;
let plane: TestControlPlane;
let sink: SmtpSink;
/** What Google says of whoever comes next. */
let person: Record<string, unknown>;
let tokenRequests: Record<string, string>[] = [];

beforeAll(async () => {
  google = new OAuth2Server();
  // Spread: what Node's crypto makes belongs to another realm than Jest's, and the mock takes plain objects of its own only.
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  await google.issuer.keys.add({ ...privateKey.export({ format: 'jwk' }), kid: 'key-of-the-specs', alg: 'RS256' } as never);
  await google.start(0, '127.0.0.1');
  google.service.on(Events.BeforeUserinfo, (answer: { body: unknown }) => {
    answer.body = person;
  });
  google.service.on(Events.BeforeResponse, (_answer: unknown, req: unknown) => {
    tokenRequests.push((req as { body: Record<string, string> }).body);
  });
  sink = await SmtpSink.start();
  const base = `http://127.0.0.1:${(google.address() as AddressInfo).port}`;
  plane = await startControlPlane({
    SMTP_URL: sink.url,
    MAIL_FROM: 'TensorLoop <no-reply@example.com>',
    GOOGLE_CLIENT_ID: 'client-of-the-specs',
    GOOGLE_CLIENT_SECRET: 'secret-of-the-specs',
    GOOGLE_AUTHORIZATION_URL: `${base}/authorize`,
    GOOGLE_TOKEN_URL: `${base}/token`,
    GOOGLE_USERINFO_URL: `${base}/userinfo`,
  });
});
afterEach(() => {
  plane.clockOffsetMs = 0;
  tokenRequests = [];
});
afterAll(async () => {
  await plane.close();
  await Promise.all([google.stop(), sink.stop()]);
});

function newPerson(fields: Record<string, unknown> = {}): string {
  const email = `${randomUUID()}@example.com`;
  person = { sub: randomUUID(), email, email_verified: true, ...fields };
  return email;
}

async function leave(browser: TestBrowser, path = '/api/auth/google'): Promise<URL> {
  const { status, headers } = await browser.send('GET', path, { redirect: 'manual' });
  expect(status).toBe(303);
  return new URL(headers.get('location') as string);
}

/** Google's consent, and the path with which it sends the browser back. */
async function consent(url: URL): Promise<string> {
  const response = await fetch(url, { redirect: 'manual' });
  const back = new URL(response.headers.get('location') as string);
  return back.pathname + back.search;
}

async function arrive(browser: TestBrowser, path: string): Promise<string> {
  const { status, headers } = await browser.send('GET', path, { redirect: 'manual' });
  expect(status).toBe(303);
  return headers.get('location') as string;
}

async function signIn(browser: TestBrowser, path?: string): Promise<string> {
  return arrive(browser, await consent(await leave(browser, path)));
}

async function me(browser: TestBrowser): Promise<Me> {
  const { status, body } = await browser.send<Me>('GET', '/api/me');
  expect(status).toBe(200);
  return body;
}

/** A user with a password whose address is proven. */
async function verifiedUser(): Promise<{ email: string; password: string; id: string }> {
  const { email, password, id } = await unverifiedUser();
  await plane.database.query('UPDATE control.users SET email_verified_at = now() WHERE id = $1', [id]);
  return { email, password, id };
}

async function unverifiedUser(): Promise<{ email: string; password: string; id: string }> {
  const [email, password] = [`${randomUUID()}@example.com`, 'correct horse battery staple'];
  const { status } = await plane.browser().send('POST', '/api/auth/sign-up', { body: { email, password } });
  expect(status).toBe(202);
  const [row] = await plane.database.query<{ id: string }>('SELECT id FROM control.users WHERE email = $1', [email]);
  return { email, password, id: row?.id as string };
}

describe('sign-in with Google (TL-1)', () => {
  it('asks with state and PKCE, signs a newcomer up and comes back to where it began', async () => {
    const email = newPerson();
    const browser = plane.browser();
    const url = await leave(browser, '/api/auth/google?returnTo=/keys');
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      response_type: 'code',
      client_id: 'client-of-the-specs',
      scope: 'openid email',
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      state: expect.stringMatching(/^[\w-]{43}$/),
    });
    expect(await arrive(browser, await consent(url))).toBe('/keys');
    expect(tokenRequests).toEqual([expect.objectContaining({ code_verifier: expect.stringMatching(/^[\w-]{43}$/) })]);
    expect((await me(browser)).user).toMatchObject({ email, emailVerified: true, hasPassword: false, hasGoogle: true });
    const { body } = await browser.send<{ data: { method: string }[] }>('GET', '/api/sessions');
    expect(body.data.map(({ method }) => method)).toEqual(['google']);
  });

  it('knows whoever comes back by the subject, under another address too', async () => {
    const email = newPerson();
    const first = plane.browser();
    await signIn(first);
    person = { ...person, email: `other-${email}`, email_verified: false };
    const second = plane.browser();
    expect(await signIn(second)).toBe('/');
    expect((await me(second)).user).toEqual((await me(first)).user);
  });

  it('keeps what is under way in a sealed cookie that scripts cannot read and that is used once', async () => {
    newPerson();
    const browser = plane.browser();
    const { headers } = await browser.send('GET', '/api/auth/google', { redirect: 'manual' });
    const state = new URL(headers.get('location') as string).searchParams.get('state') as string;
    expect(headers.getSetCookie()[0]).toMatch(
      /^tl_google=[\w-]+; Max-Age=600; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/,
    );
    expect(Buffer.from(browser.cookie?.slice('tl_google='.length) ?? '', 'base64url').toString('latin1')).not.toContain(state);
    await arrive(browser, '/api/auth/google/callback?state=x&code=y');
    expect(browser.cookie).toBeNull();
  });

  it.each(['https://evil.example', '//evil.example', '/\\evil.example', 'keys', '/a\nb', '/\\\\x'])(
    'is not begun for a way back that leads elsewhere: %j',
    async (returnTo) => {
      const path = `/api/auth/google?returnTo=${encodeURIComponent(returnTo)}`;
      expect((await plane.browser().send('GET', path, { redirect: 'manual' })).status).toBe(400);
    },
  );
});

describe('sign-in with Google is refused (TL-1)', () => {
  it('with a state that is not the browser’s: a link that somebody else made', async () => {
    newPerson();
    const [attacker, victim] = [plane.browser(), plane.browser()];
    const attackersWayBack = await consent(await leave(attacker));
    expect(await arrive(victim, attackersWayBack)).toBe('/sign-in?error=google_state_mismatch');
    await leave(victim);
    expect(await arrive(victim, attackersWayBack)).toBe('/sign-in?error=google_state_mismatch');
    expect(tokenRequests).toEqual([]);
    expect((await victim.send('GET', '/api/me')).status).toBe(401);
  });

  it('a second time with the same code, though the browser kept its cookie', async () => {
    newPerson();
    const browser = plane.browser();
    const wayBack = await consent(await leave(browser));
    const copy = plane.browser();
    copy.cookie = browser.cookie;
    expect(await arrive(browser, wayBack)).toBe('/');
    expect(await arrive(browser, wayBack)).toBe('/sign-in?error=google_state_mismatch');
    expect(await arrive(copy, wayBack)).toBe('/sign-in?error=google_failed');
  });

  it('with a code that was asked for without PKCE, or by another browser', async () => {
    newPerson();
    const browser = plane.browser();
    const url = await leave(browser);
    url.searchParams.delete('code_challenge');
    expect(await arrive(browser, await consent(url))).toBe('/sign-in?error=google_failed');
    const mine = await leave(browser);
    const injected = new URL(`${plane.url}${await consent(await leave(plane.browser()))}`).searchParams.get('code') as string;
    const callback = `/api/auth/google/callback?state=${mine.searchParams.get('state')}&code=${injected}`;
    expect(await arrive(browser, callback)).toBe('/sign-in?error=google_failed');
  });

  it('ten minutes after it was begun', async () => {
    newPerson();
    const browser = plane.browser();
    const wayBack = await consent(await leave(browser));
    plane.clockOffsetMs = 10 * 60_000;
    expect(await arrive(browser, wayBack)).toBe('/sign-in?error=google_state_mismatch');
  });

  it('when the user denies it, or Google answers with an error', async () => {
    newPerson();
    const browser = plane.browser();
    for (const [error, code] of [
      ['access_denied', 'google_denied'],
      ['server_error', 'google_failed'],
    ]) {
      const state = (await leave(browser)).searchParams.get('state');
      expect(await arrive(browser, `/api/auth/google/callback?error=${error}&state=${state}`)).toBe(`/sign-in?error=${code}`);
    }
  });

  it.each([false, undefined, 'true', 1])('with an address whose verification Google states as %j', async (email_verified) => {
    const { email } = await verifiedUser();
    newPerson({ email, email_verified });
    const browser = plane.browser();
    expect(await signIn(browser)).toBe('/sign-in?error=google_email_unverified');
    expect((await browser.send('GET', '/api/me')).status).toBe(401);
  });

  it('when Google does not say who it is', async () => {
    newPerson({ sub: undefined });
    expect(await signIn(plane.browser())).toBe('/sign-in?error=google_failed');
  });
});

describe('an account that exists (TL-1)', () => {
  it('is linked when both sides verified the address, and keeps its password', async () => {
    const { email, password, id } = await verifiedUser();
    newPerson({ email: email.toUpperCase() });
    const browser = plane.browser();
    expect(await signIn(browser)).toBe('/');
    expect((await me(browser)).user).toMatchObject({ id, email, hasPassword: true, hasGoogle: true });
    const again = await plane.browser().send('POST', '/api/auth/sign-in', { body: { email, password } });
    expect(again.status).toBe(200);
  });

  it('that somebody else signed up before loses their password, sessions and tokens (pre-hijacking)', async () => {
    const { email, password, id } = await unverifiedUser();
    const attacker = plane.browser();
    // As it would be signed in where mail was configured later.
    await plane.database.query('UPDATE control.users SET email_verified_at = now() WHERE id = $1', [id]);
    expect((await attacker.send('POST', '/api/auth/sign-in', { body: { email, password } })).status).toBe(200);
    await plane.database.query('UPDATE control.users SET email_verified_at = NULL WHERE id = $1', [id]);
    newPerson({ email });
    const owner = plane.browser();
    expect(await signIn(owner)).toBe('/');
    expect((await me(owner)).user.id).toBe(id);
    expect((await attacker.send('GET', '/api/me')).status).toBe(401);
    expect((await plane.browser().send('POST', '/api/auth/sign-in', { body: { email, password } })).status).toBe(401);
  });

  it('loses the Google accounts, tokens of every account and invitations of whoever was first, too (pre-hijacking)', async () => {
    const { email, password, id } = await unverifiedUser();
    const setVerified = (at: Date | null) =>
      plane.database.query('UPDATE control.users SET email_verified_at = $2 WHERE id = $1', [id, at]);
    await setVerified(new Date());
    const attacker = plane.browser();
    await attacker.send('POST', '/api/auth/sign-in', { body: { email, password } });
    const post = async <Body>(path: string, body: unknown) => (await attacker.send<Body>('POST', path, { body })).body;
    const newToken = async () => (await post<{ token: string }>('/api/tokens', { name: 't', role: 'owner' })).token;
    newPerson();
    const attackersGoogle = person;
    const { url } = await post<{ url: string }>('/api/auth/google/link', { returnTo: '/' });
    expect(await arrive(attacker, await consent(new URL(url)))).toBe('/');
    const tokens = [await newToken()];
    await post('/api/invites', { email: `${randomUUID()}@example.com`, role: 'owner' });
    const { id: secondId } = await post<{ id: string }>('/api/accounts', { name: 'second' });
    await post(`/api/accounts/${secondId}/switch`, undefined);
    tokens.push(await newToken());
    const opens = (token: string) =>
      plane.browser().send('GET', '/api/account', { headers: { authorization: `Bearer ${token}` } });
    for (const token of tokens) expect((await opens(token)).status).toBe(200);
    await setVerified(null);

    newPerson({ email });
    const owner = plane.browser();
    expect(await signIn(owner)).toBe('/');
    expect((await me(owner)).user.id).toBe(id);
    for (const token of tokens) expect((await opens(token)).body.code).toBe('token_invalid');
    const open = await plane.database.query(
      'SELECT FROM control.invites WHERE invited_by = $1 AND revoked_at IS NULL AND accepted_at IS NULL',
      [id],
    );
    expect(open).toEqual([]);
    person = attackersGoogle;
    const again = plane.browser();
    await signIn(again);
    expect((await me(again)).user.id).not.toBe(id);
    const [told] = await plane.database.query(
      "SELECT details FROM control.audit_entries WHERE subject_id = $1 AND details ? 'ended'",
      [id],
    );
    expect(told).toEqual({ details: { proof: 'google', ended: { sessions: 1, identities: 1, tokens: 2, invites: 1 } } });
  });

  it('that an operator disabled stays closed', async () => {
    const { email, id } = await verifiedUser();
    await plane.database.query('UPDATE control.users SET disabled_at = now() WHERE id = $1', [id]);
    newPerson({ email });
    expect(await signIn(plane.browser())).toBe('/sign-in?error=google_refused');
  });
});

describe('linking while signed in (TL-1)', () => {
  async function signedIn() {
    const user = await verifiedUser();
    const browser = plane.browser();
    const { email, password } = user;
    expect((await browser.send('POST', '/api/auth/sign-in', { body: { email, password } })).status).toBe(200);
    return { ...user, browser };
  }
  const startLink = (browser: TestBrowser) =>
    browser.send<{ url: string; code: string }>('POST', '/api/auth/google/link', {
      body: { returnTo: '/settings?tab=sign-in' },
    });

  it('adds the Google account under any address that Google verified, rotates the session and is in the audit log', async () => {
    const { browser, id } = await signedIn();
    newPerson();
    const before = plane.browser();
    before.cookie = browser.cookie;
    const { body } = await startLink(browser);
    expect(await arrive(browser, await consent(new URL(body.url)))).toBe('/settings?tab=sign-in');
    expect((await before.send('GET', '/api/me')).status).toBe(401);
    expect((await me(browser)).user.id).toBe(id);
    const other = plane.browser();
    await signIn(other);
    expect((await me(other)).user.id).toBe(id);
    const actions = await plane.database.query<{ action: string }>(
      "SELECT action FROM control.audit_entries WHERE subject_id = $1 AND action LIKE 'user.%' ORDER BY sequence",
      [id],
    );
    expect(actions.map(({ action }) => action)).toEqual([
      'user.signed_up',
      'user.signed_in',
      'user.identity_linked',
      'user.signed_in',
    ]);
  });

  it('needs an address that Google verified, and one that is proven here', async () => {
    const { browser, id, email } = await signedIn();
    newPerson({ email_verified: false });
    const link = async () => arrive(browser, await consent(new URL((await startLink(browser)).body.url)));
    expect(await link()).toBe('/settings?tab=sign-in&error=google_email_unverified');
    await plane.database.query('UPDATE control.users SET email_verified_at = NULL WHERE id = $1', [id]);
    newPerson();
    expect(await link()).toBe('/settings?tab=sign-in&error=google_confirm_address_first');
    newPerson({ email });
    expect(await link()).toBe('/settings?tab=sign-in');
    const [row] = await plane.database.query('SELECT email_verified_at AS at FROM control.users WHERE id = $1', [id]);
    expect(row).toEqual({ at: expect.any(Date) });
  });

  it('takes a Google account from nobody', async () => {
    newPerson();
    await signIn(plane.browser());
    const { browser } = await signedIn();
    const { body } = await startLink(browser);
    expect(await arrive(browser, await consent(new URL(body.url)))).toBe('/settings?tab=sign-in&error=google_linked_elsewhere');
  });

  it('does not link to whoever is signed in when the browser comes back, if that is somebody else', async () => {
    const [one, two] = [await signedIn(), await signedIn()];
    newPerson();
    const { body } = await startLink(one.browser);
    const wayBack = await consent(new URL(body.url));
    await one.browser.send('POST', '/api/auth/sign-in', { body: { email: two.email, password: two.password } });
    expect(await arrive(one.browser, wayBack)).toBe('/settings?tab=sign-in&error=google_session_over');
  });

  it('needs a session, a recent one, and no other site', async () => {
    const { browser } = await signedIn();
    expect((await startLink(plane.browser())).body.code).toBe('session_missing');
    const forged = await browser.send('POST', '/api/auth/google/link', {
      body: {},
      headers: { 'sec-fetch-site': 'cross-site' },
    });
    expect(forged.body.code).toBe('cross_site_request');
    plane.clockOffsetMs = TOO_OLD_MS;
    expect((await startLink(browser)).body.code).toBe('recent_sign_in_needed');
  });
});

describe('unlinking (TL-1)', () => {
  const unlink = (browser: TestBrowser) => browser.send('DELETE', '/api/auth/google/link');

  it('ends Google as a way in and the other sessions, rotates this one, is in the audit log and told by mail', async () => {
    const email = newPerson();
    const [browser, other] = [plane.browser(), plane.browser()];
    await signIn(browser);
    await signIn(other);
    const before = plane.browser();
    before.cookie = browser.cookie;
    expect((await unlink(browser)).status).toBe(204);
    for (const ended of [before, other]) expect((await ended.send('GET', '/api/me')).status).toBe(401);
    const { user } = await me(browser);
    expect(user).toMatchObject({ email, hasGoogle: false });
    expect((await sink.mailTo(email, /unlinked/)).source).toContain('unlinked');
    const entries = await plane.database.query<{ action: string; details: unknown }>(
      "SELECT action, details FROM control.audit_entries WHERE subject_id = $1 AND action = 'user.identity_unlinked'",
      [user.id],
    );
    expect(entries).toEqual([
      expect.objectContaining({ details: { issuer: 'https://accounts.google.com', ended: { sessions: 1 } } }),
    ]);
    expect((await unlink(browser)).body.code).toBe('google_not_linked');
  });

  it('needs a session that was begun a moment ago, of a person, and no other site', async () => {
    newPerson();
    const browser = plane.browser();
    await signIn(browser);
    expect((await unlink(plane.browser())).body.code).toBe('session_missing');
    const forged = await browser.send('DELETE', '/api/auth/google/link', { headers: { 'sec-fetch-site': 'cross-site' } });
    expect(forged.body.code).toBe('cross_site_request');
    plane.clockOffsetMs = TOO_OLD_MS;
    expect((await unlink(browser)).body.code).toBe('recent_sign_in_needed');
    expect((await me(browser)).user.hasGoogle).toBe(true);
  });
});

describe('where Google is not configured', () => {
  it('its routes are not there, and the list of methods says so', async () => {
    const plain = await startControlPlane();
    const { body } = await plain.browser().send<AuthMethods>('GET', '/api/auth/methods');
    expect(body.google).toEqual({ isAvailable: false });
    for (const path of ['/api/auth/google', '/api/auth/google/callback?code=x&state=y']) {
      expect((await plain.browser().send('GET', path, { redirect: 'manual' })).status).toBe(404);
    }
    // Nor are mails sent here: without a password nothing would be left.
    const { browser, me: self } = await plain.signUp();
    const query = (sql: string) => plain.database.query(sql, [self.user.id]);
    await query(
      "INSERT INTO control.identities (issuer, subject, user_id, email) VALUES ('https://accounts.google.com', $1::text, $1::uuid, '')",
    );
    const [row] = await plain.database.query<{ hash: string }>(
      'SELECT password_hash AS hash FROM control.users WHERE id = $1',
      [self.user.id],
    );
    await query('UPDATE control.users SET password_hash = NULL WHERE id = $1');
    const refused = await browser.send('DELETE', '/api/auth/google/link');
    expect([refused.status, refused.body.code]).toEqual([409, 'google_only_way_in']);
    await plain.database.query('UPDATE control.users SET password_hash = $2 WHERE id = $1', [self.user.id, row?.hash]);
    expect((await browser.send('DELETE', '/api/auth/google/link')).status).toBe(204);
    await plain.close();
  });
});
