import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';
import { SmtpSink } from '../mail/smtp-sink.fixture.js';
import { LIMITS } from '../throttle/throttle.rules.js';

const PASSWORD = 'correct horse battery staple';
const newAddress = () => `${randomUUID()}@example.com`;

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterEach(() => {
  plane.clockOffsetMs = 0;
});
afterAll(() => plane.close());

function signIn(email: string, from: string, password = PASSWORD) {
  const browser = plane.browser();
  browser.address = from;
  return browser.send('POST', '/api/auth/sign-in', { body: { email, password } });
}

describe('limits on credential endpoints (TL-1)', () => {
  it('bound failures of a network over all addresses, and of nobody else', async () => {
    const { email } = await plane.signUp();
    const { max } = LIMITS.failuresByNetwork;
    const from = (n: number) => `198.51.100.${n % 250}`;
    const statuses: number[] = [];
    // In waves: more at once would be turned away by the queue of hashes and count for nothing. On a busy machine Redis is late now and
    // then, and what is counted in its place, in memory, is not in its window: hence some waves to spare, below all other limits.
    const allowed = () => statuses.filter((status) => status === 401).length;
    while (!statuses.includes(429) && statuses.length < LIMITS.requestsByNetwork.max - 20) {
      const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => signIn(newAddress(), from(n), 'wrong guess')));
      statuses.push(...answers.map(({ status }) => status));
      if (allowed() <= max - 20) expect(new Set(statuses)).toEqual(new Set([401]));
    }
    expect(allowed()).toBeGreaterThanOrEqual(max);
    const refused = await signIn(email, from(0));
    expect([refused.status, refused.body.code]).toEqual([429, 'sign_in_throttled']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await signIn(email, '192.0.2.1')).status).toBe(200);
    plane.clockOffsetMs = LIMITS.failuresByNetwork.windowMs;
    expect((await signIn(email, from(0))).status).toBe(200);
  });

  it('bound failures of an account from one network tightly, and from everywhere loosely', async () => {
    const { email } = await plane.signUp();
    const perNetwork = LIMITS.failuresByVisitor.max;
    const networks = LIMITS.failuresByAccount.max / perNetwork;
    for (let network = 1; network <= networks; network++) {
      const from = `198.18.${network}.1`;
      for (let count = 0; count < perNetwork; count++) expect((await signIn(email, from, 'wrong guess')).status).toBe(401);
      expect((await signIn(email, from)).body.code).toBe('sign_in_throttled');
      // The owner is not kept out by somebody elsewhere before the last of all is counted; a success clears none of theirs.
      if (network < networks) expect((await signIn(email, '192.0.2.1')).status).toBe(200);
    }
    expect((await signIn(email, '192.0.2.1')).body.code).toBe('sign_in_throttled');
  });

  it.each([
    ['POST', '/api/auth/verify-email', { token: 'x'.repeat(43), password: PASSWORD }],
    ['POST', '/api/auth/password-reset/confirm', { token: 'x'.repeat(43), password: PASSWORD }],
    ['POST', '/api/auth/code/verify', { code: '000000' }],
    ['GET', '/api/auth/google', undefined],
    ['POST', '/api/invites/look-up', { token: 'x'.repeat(43) }],
    ['POST', '/api/invites/accept', { token: 'x'.repeat(43) }],
  ])('bound what one network may ask of %s %s', async (method, path, body) => {
    const browser = plane.browser();
    const { max, windowMs } = LIMITS.requestsByNetwork;
    const answers = await Promise.all(Array.from({ length: max + 5 }, () => browser.send(method, path, { body })));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.map(({ body: problem }) => problem.code)).toEqual(Array.from({ length: 5 }, () => 'network_throttled'));
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(refused[0]?.headers.get('ratelimit-policy')).toBe(`"requests-by-network";q=${max};w=${windowMs / 1_000}`);
    expect(refused[0]?.headers.get('ratelimit')).toMatch(/^"requests-by-network";r=0;t=\d+$/);
    const left = answers.flatMap(({ headers }) => /;r=(\d+);t=\d+$/.exec(headers.get('ratelimit') ?? '')?.[1] ?? []);
    expect(left.map(Number).sort((x, y) => y - x)).toEqual(Array.from({ length: max + 5 }, (_, n) => Math.max(0, max - 1 - n)));
    expect((await browser.send('GET', '/api/auth/methods')).status).toBe(200);
    plane.clockOffsetMs = windowMs;
    expect((await browser.send(method, path, { body })).status).not.toBe(429);
  });

  it('believe X-Forwarded-For from a trusted proxy alone, and of what it says the last entry', async () => {
    const { max } = LIMITS.requestsByNetwork;
    const countRefused = async (target: TestControlPlane, header: (n: number) => string) => {
      const send = (n: number) =>
        target.browser().send('POST', '/api/auth/code/verify', {
          body: { code: '000000' },
          headers: { 'x-forwarded-for': header(n) },
        });
      const answers = await Promise.all(Array.from({ length: max + 1 }, (_, n) => send(n)));
      return answers.filter(({ status }) => status === 429).length;
    };
    const direct = await startControlPlane({ TRUSTED_PROXIES: '10.9.8.7' });
    // Until Redis is connected the process counts by itself.
    await waitUntil(async () => (await direct.browser().send('GET', '/health/ready')).status === 200);
    const refusedDirectly = await countRefused(direct, (n) => `10.0.${n}.1`);
    await direct.close();
    expect(refusedDirectly).toBe(1);
    expect(await countRefused(plane, (n) => `10.0.${n}.1, 203.0.113.9`)).toBe(1);
  });
});

describe('what a refusal says of its limit (TL-1)', () => {
  it('is the limit that is full; before, nothing is said of limits that count an address', async () => {
    const email = newAddress();
    const { max, windowMs } = LIMITS.failuresByVisitor;
    for (let n = 0; n < max; n++) {
      const { headers } = await signIn(email, '192.0.2.77', 'wrong guess');
      expect(headers.get('ratelimit-policy')).toContain('"requests-by-network"');
    }
    const { status, headers } = await signIn(email, '192.0.2.77');
    expect(status).toBe(429);
    expect(headers.get('ratelimit-policy')).toBe(`"failures-by-visitor";q=${max};w=${windowMs / 1_000}`);
    expect(headers.get('ratelimit')).toBe(`"failures-by-visitor";r=0;t=${headers.get('retry-after')}`);
  });
});

describe('while Redis is away', () => {
  it('sign-in goes on, bounded by the process, and mails are refused alike', async () => {
    const sink = await SmtpSink.start();
    const own = await startControlPlane({ SMTP_URL: sink.url, MAIL_FROM: 'no-reply@example.com' });
    try {
      const email = newAddress();
      await own.browser().send('POST', '/api/auth/sign-up', { body: { email, password: PASSWORD } });
      await own.database.query('UPDATE control.users SET email_verified_at = now() WHERE email = $1', [email]);
      await own.redisServer.server.kill();
      const browser = own.browser();
      const guess = (password: string) => browser.send('POST', '/api/auth/sign-in', { body: { email, password } });
      expect((await guess(PASSWORD)).status).toBe(200);
      const guesses = [];
      for (let n = 0; n < LIMITS.failuresByVisitor.max; n++) guesses.push((await guess('wrong guess')).status);
      expect(new Set(guesses)).toEqual(new Set([401]));
      expect((await guess(PASSWORD)).body.code).toBe('sign_in_throttled');
      for (const address of [email, newAddress()]) {
        const { status, body } = await own.browser().send('POST', '/api/auth/password-reset', { body: { email: address } });
        expect([status, body.code]).toEqual([503, 'mail_unavailable']);
      }
      await own.redisServer.server.restart();
      await waitUntil(
        async () =>
          (await own.browser().send('POST', '/api/auth/password-reset', { body: { email: newAddress() } })).status === 202,
        { what: 'the queue of mails' },
      );
    } finally {
      await own.close();
      await sink.stop();
    }
  });
});

describe('where no mail is configured', () => {
  it('the log and the list of methods say what is off, and its routes say so too', async () => {
    expect(plane.logLines.filter((line) => line.includes('SMTP_URL is not set'))).toHaveLength(1);
    const { body } = await plane.browser().send<{ mail: unknown; code: unknown }>('GET', '/api/auth/methods');
    expect(body).toMatchObject({
      mail: { isAvailable: false, disables: ['verify_email', 'reset_password', 'sign_in_code', 'invite'] },
      code: { isAvailable: false },
    });
    for (const path of ['password-reset', 'verify-email/resend', 'code']) {
      const { status, body: problem } = await plane
        .browser()
        .send('POST', `/api/auth/${path}`, { body: { email: newAddress() } });
      expect([status, problem.code]).toEqual([404, 'mail_not_configured']);
    }
  });
});
