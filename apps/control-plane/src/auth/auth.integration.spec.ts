import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Me } from '@tensorloop/contracts/dashboard-api';
import { newKeyText } from '@tensorloop/kernel/key-text';
import { PERMISSIONS } from '../access/permission.types.js';
import { GATEWAY_URL, startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';

const DAY_MS = 86_400_000;

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

describe('sign-up (TL-1, TL-2)', () => {
  it('creates a personal account on the free plan and signs its owner in', async () => {
    const { browser, me, email } = await plane.signUp();
    expect(me).toEqual({
      user: { id: expect.any(String), email, name: '', emailVerified: false, hasPassword: true, hasGoogle: false },
      account: {
        id: expect.any(String),
        name: email.split('@')[0],
        role: 'owner',
        ...{ kind: 'metered', status: 'active', deleteAfter: null },
        plan: { id: 'free', name: 'Free', keysMax: 2, budgetPerKeyUsdMax: '5.00', rpmPerKeyMax: 30, models: ['gpt-4o-mini'] },
      },
      permissions: Object.keys(PERMISSIONS),
      isOperator: false,
    });
    expect((await browser.send<Me>('GET', '/api/me')).body).toEqual(me);
  });

  it('creates one account when the same address signs up several times at once', async () => {
    const body = { email: `${randomUUID()}@example.com`, password: 'long enough' };
    const attempts = Array.from({ length: 5 }, () => plane.browser().send('POST', '/api/auth/sign-up', { body }));
    expect((await Promise.all(attempts)).map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
  });

  it('refuses an address that is taken, in whatever case', async () => {
    const { email, password } = await plane.signUp();
    const again = await plane.browser().send('POST', '/api/auth/sign-up', { body: { email: email.toUpperCase(), password } });
    expect([again.status, again.body.code]).toEqual([409, 'email_unavailable']);
  });

  it.each([
    [{ email: 'no address', password: 'long enough' }, '/email'],
    [{ email: 'a@example.com', password: 'short' }, '/password'],
    [{ email: 'a@example.com', password: 'x'.repeat(129) }, '/password'],
    [{ email: 'a@example.com' }, '/password'],
  ])('says what is wrong with %j', async (body, pointer) => {
    const { status, body: problem, headers } = await plane.browser().send('POST', '/api/auth/sign-up', { body });
    expect([status, problem.code, problem.errors?.[0]?.pointer]).toEqual([400, 'invalid_request', pointer]);
    expect(headers.get('content-type')).toContain('application/problem+json');
  });
});

describe('sign-in (TL-1)', () => {
  it('answers the same for a wrong password and for an address nobody has', async () => {
    const { email } = await plane.signUp();
    const attempt = async (address: string) => {
      const { status, body } = await plane
        .browser()
        .send('POST', '/api/auth/sign-in', { body: { email: address, password: 'wrong password' } });
      return { httpStatus: status, ...body, requestId: null };
    };
    const known = await attempt(email);
    expect(known).toEqual(await attempt(`nobody-${email}`));
    expect([known.status, known.code]).toEqual([401, 'credentials_wrong']);
  });

  it('checks a password of the same cost either way', async () => {
    const { email } = await plane.signUp();
    const timesMs = { known: [] as number[], unknown: [] as number[] };
    for (let round = 0; round < 9; round++) {
      for (const kind of ['known', 'unknown'] as const) {
        const address = kind === 'known' ? email : `nobody${round}-${email}`;
        const startedMs = performance.now();
        await plane.browser().send('POST', '/api/auth/sign-in', { body: { email: address, password: 'wrong password' } });
        timesMs[kind].push(performance.now() - startedMs);
      }
    }
    const median = (values: number[]) => values.sort((a, b) => a - b)[4] as number;
    // Without the decoy the unknown address would be answered in a small part of the time.
    expect(median(timesMs.unknown)).toBeGreaterThan(median(timesMs.known) * 0.5);
  });

  it('is refused after 20 failures from a network, the right password too, and alike for an address nobody has', async () => {
    const { browser, email, password } = await plane.signUp();
    const guesser = plane.browser();
    const attempt = (address: string, guess: string) =>
      guesser.send('POST', '/api/auth/sign-in', { body: { email: address, password: guess } });
    for (const address of [email, `nobody-${email}`]) {
      const guesses = await Promise.all(Array.from({ length: 30 }, (_, n) => attempt(address, `wrong guess ${n}`)));
      expect(guesses.filter(({ status }) => status === 401)).toHaveLength(20);
      const { status, body, headers } = await attempt(address.toUpperCase(), password);
      expect([status, body.code]).toEqual([429, 'sign_in_throttled']);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(500);
    }
    // Whoever is signed in stays so: guessing locks nobody out of what is open.
    expect((await browser.send('GET', '/api/me')).status).toBe(200);
    plane.clockOffsetMs = 10 * 60_000;
    expect((await attempt(email, password)).status).toBe(200);
    plane.clockOffsetMs = 0;
  });

  it('starts a new session and ends the one the browser had', async () => {
    const { browser, email, password } = await plane.signUp();
    const before = plane.browser();
    before.cookie = browser.cookie;
    expect((await browser.send<Me>('POST', '/api/auth/sign-in', { body: { email, password } })).status).toBe(200);
    expect(browser.cookie).not.toBe(before.cookie);
    expect((await browser.send('GET', '/api/me')).status).toBe(200);
    expect((await before.send('GET', '/api/me')).status).toBe(401);
  });
});

describe('session', () => {
  it('is over after sign-out, for whoever kept the cookie too', async () => {
    const { browser } = await plane.signUp();
    const copy = plane.browser();
    copy.cookie = browser.cookie;
    expect((await browser.send('POST', '/api/auth/sign-out')).status).toBe(204);
    expect((await copy.send('GET', '/api/me')).body.code).toBe('session_missing');
    expect((await plane.browser().send('POST', '/api/auth/sign-out')).status).toBe(204);
  });

  it('takes what pages kept in the browser with it at sign-out', async () => {
    const { browser } = await plane.signUp();
    const { headers } = await browser.send('POST', '/api/auth/sign-out');
    expect(headers.get('clear-site-data')).toBe('"cache", "storage"');
    expect((await browser.send('GET', '/api/auth/methods')).headers.get('clear-site-data')).toBeNull();
  });

  it('ends 7 days after its last use and is kept alive by use', async () => {
    const { browser } = await plane.signUp();
    plane.clockOffsetMs = 6 * DAY_MS;
    expect((await browser.send('GET', '/api/me')).status).toBe(200);
    plane.clockOffsetMs = 12 * DAY_MS;
    expect((await browser.send('GET', '/api/me')).status).toBe(200);
    plane.clockOffsetMs = 19 * DAY_MS + 1;
    expect((await browser.send('GET', '/api/me')).status).toBe(401);
    plane.clockOffsetMs = 0;
  });

  it('is stored as a hash, in a cookie that scripts cannot read', async () => {
    const { email, password } = await plane.signUp();
    const { headers } = await plane.browser().send('POST', '/api/auth/sign-in', { body: { email, password } });
    const [cookie] = headers.getSetCookie();
    expect(cookie).toMatch(/^tl_session=[\w-]{43}; Max-Age=2592000; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/);
    const token = /=([\w-]{43});/.exec(cookie ?? '')?.[1] as string;
    const hash = createHash('sha256').update(token).digest('hex');
    expect(await plane.database.query('SELECT FROM control.sessions WHERE token_hash = $1', [hash])).toHaveLength(1);
    expect(plane.logLines.join('')).not.toContain(token);
  });

  it('is one of at most 50 of a user: the least recently used goes first', async () => {
    const { browser, me, email, password } = await plane.signUp();
    const row =
      'INSERT INTO control.sessions (token_hash, user_id, account_id, last_seen_at, idle_expires_at, absolute_expires_at)';
    const values =
      "SELECT repeat(md5(n::text || ($1::uuid)::text), 2), $1::uuid, $2::uuid, now() + n * interval '1 second', now() + interval '1 day', now() + interval '1 day'";
    await plane.database.query(`${row} ${values} FROM generate_series(1, 60) n`, [me.user.id, me.account.id]);
    const another = plane.browser();
    expect((await another.send('POST', '/api/auth/sign-in', { body: { email, password } })).status).toBe(200);
    const [count] = await plane.database.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM control.sessions WHERE user_id = $1',
      [me.user.id],
    );
    expect(count).toEqual({ n: 50 });
    expect((await browser.send('GET', '/api/me')).status).toBe(401);
    expect((await another.send('GET', '/api/me')).status).toBe(200);
  });

  it('ends when its user leaves the account', async () => {
    const { browser, me } = await plane.signUp();
    await plane.database.query('DELETE FROM control.memberships WHERE user_id = $1', [me.user.id]);
    expect((await browser.send('GET', '/api/me')).status).toBe(401);
  });
});

describe('requests made by another site', () => {
  it.each([
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'https://evil.example' },
    { origin: 'null' },
  ])('are refused when they would change something: %j', async (headers) => {
    const { browser } = await plane.signUp();
    const { status, body } = await browser.send('POST', '/api/auth/sign-out', { headers: headers as Record<string, string> });
    expect([status, body.code]).toEqual([403, 'cross_site_request']);
    expect((await browser.send('GET', '/api/me')).status).toBe(200);
  });

  it('cannot pass as a form', async () => {
    const { browser } = await plane.signUp();
    const form = { body: 'name=x', headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    const { status, body } = await browser.send('POST', '/api/keys', form);
    expect([status, body.code]).toEqual([415, 'json_expected']);
    const text = await browser.send('POST', '/api/keys', { body: '{"name":"x"}', headers: { 'content-type': 'text/plain' } });
    expect(text.status).toBe(415);
  });
});

describe('the wrong surface (TL-6, TL-13)', () => {
  it('an inference key opens nothing under /api and is told where it belongs', async () => {
    const key = newKeyText('AAAAAAAA');
    for (const path of ['/api/me', '/api/keys', '/api/activity', '/api/nothing']) {
      const { status, body } = await plane.browser().send('GET', path, { headers: { authorization: `Bearer ${key}` } });
      expect([status, body.code]).toEqual([401, 'wrong_surface']);
      expect(body.detail).toContain(`${GATEWAY_URL}/v1`);
    }
    expect(plane.logLines.join('')).not.toContain(key);
  });

  it.each([
    '/v1',
    '/v1/models',
    '/v1/chat/completions',
    // A base URL of this host without "/v1" (TL-8).
    '/chat/completions',
    '/completions',
    '/embeddings',
    '/responses',
    '/messages',
    '/audio/speech',
    '/images/generations',
  ])("%s answers in OpenAI's shape and names the gateway", async (path) => {
    const { status, body } = await plane
      .browser()
      .send<{ error: Record<string, unknown> }>('POST', path, { body: '{ not json' });
    expect(status).toBe(404);
    expect(body.error).toEqual({
      message: expect.stringContaining(`${GATEWAY_URL}/v1`),
      type: 'invalid_request_error',
      param: null,
      code: 'wrong_base_url',
    });
  });

  it('/models is told so to whoever brings a key, and left to the dashboard otherwise', async () => {
    const ask = (headers: Record<string, string>) =>
      plane.browser().send<{ error?: { code: string }; code?: string }>('GET', '/models', { headers });
    const sdk = await ask({ authorization: `Bearer ${newKeyText('AAAAAAAA')}` });
    expect([sdk.status, sdk.body.error?.code]).toEqual([404, 'wrong_base_url']);
    const page = await ask({});
    expect([page.status, page.body.code]).toEqual([404, 'not_found']);
  });

  it('anything unknown is a problem with a code', async () => {
    const { status, body, headers } = await plane.browser().send('GET', '/api/nothing');
    expect([status, body.code, body.status]).toEqual([404, 'not_found', 404]);
    expect(headers.get('x-request-id')).toBe(body.requestId);
  });
});

describe('bad bodies', () => {
  it('that are no JSON are refused with a code', async () => {
    const { status, body } = await plane.browser().send('POST', '/api/auth/sign-in', { body: '{"email":' });
    expect([status, body.code]).toEqual([400, 'invalid_request']);
  });

  it('that are too large are refused with a code', async () => {
    const { status, body } = await plane.browser().send('POST', '/api/auth/sign-in', { body: { email: 'a'.repeat(70_000) } });
    expect([status, body.code]).toEqual([413, 'body_too_large']);
  });
});
