import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Me } from '@tensorloop/contracts/dashboard-api';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { Queue } from 'bullmq';
import { startControlPlane, type TestControlPlane } from './control-plane.fixture.js';
import { inviteTokenHash, newInviteToken } from './invites/invites.rules.js';
import { MailService } from './mail/mail.service.js';
import { SmtpSink } from './mail/smtp-sink.fixture.js';
import { makeTenant, type Tenant } from './openapi/api-caller.fixture.js';

/** Every key of Redis that is of no account, and what it is for. A new one belongs here, or has an account's tag. */
const SHARED_KEYS = [
  // Attempts and mails, under a digest of whom they are counted for.
  /^tl:\{credentials\}:[A-Za-z]+:[0-9a-zA-Z_-]+$/,
  // The queue of mails, whose jobs are sealed.
  /^\{bull\}:mails:/,
  // Which Redis this is.
  /^tl:epoch$/,
];
const PASSWORD = 'correct horse battery staple';
const KEY_OF_ACCOUNT = /^tl:\{([0-9A-Za-z]{8})\}:/;

let sink: SmtpSink;
let plane: TestControlPlane;
let victim: Tenant & { tag: string };
let stranger: Tenant & { tag: string };

beforeAll(async () => {
  sink = await SmtpSink.start();
  plane = await startControlPlane({ SMTP_URL: sink.url, MAIL_FROM: 'TensorLoop <no-reply@example.com>' });
  [victim, stranger] = [await tenant('victim'), await tenant('stranger')];
});
afterAll(async () => {
  await plane?.close();
  await sink?.stop();
});

/** Where mail is sent, signing up takes a confirmed address. */
async function signUp(email: string) {
  const browser = plane.browser();
  const body = { email, password: PASSWORD };
  await browser.send('POST', '/api/auth/sign-up', { body });
  await plane.database.query('UPDATE control.users SET email_verified_at = now() WHERE email = $1', [email]);
  const { body: me } = await browser.send<Me>('POST', '/api/auth/sign-in', { body });
  return { browser, me, email, password: PASSWORD };
}

async function tenant(name: string): Promise<Tenant & { tag: string }> {
  const made = await makeTenant(Object.assign(Object.create(plane) as TestControlPlane, { signUp }), `${name}-${randomUUID()}`);
  const [row] = await plane.database.query<{ tag: string }>('SELECT tag FROM control.accounts WHERE id = $1', [
    made.ids.account,
  ]);
  return { ...made, tag: row?.tag ?? '' };
}

/** How many mails came to this so far. */
async function countMails(mail: string, outcome: string): Promise<number> {
  const { text } = await plane.browser().send('GET', '/metrics');
  const line = text
    .split('\n')
    .find(
      (one) =>
        one.startsWith('tensorloop_control_mails_total{') &&
        one.includes(`mail="${mail}"`) &&
        one.includes(`outcome="${outcome}"`),
    );
  return Number(line?.split(' ').at(-1) ?? 0);
}

/** An open invitation whose link is known here. */
async function invitation({ browser, ids }: Tenant) {
  const email = `${randomUUID()}@example.com`;
  const { body } = await browser.send<{ id: string }>('POST', '/api/invites', { body: { email, role: 'viewer' } });
  await sink.mailTo(email);
  const token = newInviteToken();
  await plane.database.query('UPDATE control.invites SET token_hash = $2 WHERE id = $1', [body.id, inviteTokenHash(token)]);
  return { email, job: { accountId: ids.account, inviteId: body.id, token } };
}

describe('jobs (TL-1)', () => {
  it('of one account find nothing of another, even with the right id and token', async () => {
    const { email, job } = await invitation(victim);
    const mails = plane.app.get(MailService, { strict: false });
    const [before, nothing] = [sink.mails.length, await countMails('invite', 'nothing')];
    await mails.enqueue('invite', { ...job, accountId: stranger.ids.account });
    await waitUntil(async () => (await countMails('invite', 'nothing')) === nothing + 1, { what: 'the job to be worked on' });
    expect(sink.mails.slice(before)).toEqual([]);
    // The same job in its own account does send one, so what is above is no accident.
    await mails.enqueue('invite', job);
    expect((await sink.mailTo(email, /./, before)).source).toContain(job.token);
  });

  it('that were moved to another kind of mail, or changed, are not carried out', async () => {
    const { job } = await invitation(victim);
    sink.isRefusing = true;
    const queue = new Queue<{ sealed: string }>('mails', { connection: { url: plane.redisServer.url }, prefix: '{bull}' });
    try {
      const mails = plane.app.get(MailService, { strict: false });
      await mails.enqueue('invite', job);
      const [waiting] = await waitUntil(
        async () => {
          const jobs = (await queue.getJobs(['waiting', 'delayed', 'active'])).filter(({ name }) => name === 'invite');
          return jobs.length > 0 ? jobs : null;
        },
        { what: 'the job in Redis' },
      );
      const sealed = waiting?.data.sealed ?? '';
      const unreadable = await countMails('unknown', 'unreadable');
      await queue.add('password_changed', { sealed });
      await queue.add('invite', { sealed: `${sealed.slice(0, -4)}AAAA` });
      await waitUntil(async () => (await countMails('unknown', 'unreadable')) === unreadable + 2, {
        what: 'both to be refused',
      });
      // Tried no more often than whoever put them there asked for.
      await waitUntil(async () => (await queue.getFailedCount()) === 2, { what: 'both to be given up' });
    } finally {
      sink.isRefusing = false;
      await queue.close();
    }
  });

  it('show nobody who reads Redis an address, an account, an id or a token', async () => {
    sink.isRefusing = true;
    try {
      const email = `${randomUUID()}@example.com`;
      const { body } = await victim.browser.send<{ id: string }>('POST', '/api/invites', { body: { email, role: 'viewer' } });
      const refusals = sink.refusals;
      await waitUntil(() => sink.refusals > refusals, { what: 'an attempt' });
      const dump = (await Promise.all((await plane.redis.keys('{bull}*')).map(readKey))).join('\n');
      expect(dump).toContain('sealed');
      for (const secret of [email, body.id, victim.ids.account, victim.me.user.email]) expect(dump).not.toContain(secret);
    } finally {
      sink.isRefusing = false;
    }
  });
});

/** Everything that a key holds, as text. */
async function readKey(key: string): Promise<string> {
  const { redis } = plane;
  switch (await redis.type(key)) {
    case 'hash':
      return JSON.stringify(await redis.hgetall(key));
    case 'zset':
      return JSON.stringify(await redis.zrange(key, 0, -1));
    case 'set':
      return JSON.stringify(await redis.smembers(key));
    case 'list':
      return JSON.stringify(await redis.lrange(key, 0, -1));
    case 'stream':
      return JSON.stringify(await redis.xrange(key, '-', '+'));
    default:
      return (await redis.get(key)) ?? '';
  }
}

describe('what is kept in Redis (TL-1)', () => {
  it('has the tag of one account in its key and nothing of another in its value, or is of none', async () => {
    const keys = await plane.redis.keys('*');
    const owners = keys.map((key) => ({ key, tag: KEY_OF_ACCOUNT.exec(key)?.[1] ?? null }));
    const unknown = owners.filter(({ key, tag }) => tag === null && !SHARED_KEYS.some((shared) => shared.test(key)));
    expect(unknown).toEqual([]);
    for (const [own, other] of [
      [victim, stranger],
      [stranger, victim],
    ] as const) {
      const ofOwn = owners.filter(({ tag }) => tag === own.tag);
      expect(ofOwn.length).toBeGreaterThan(0);
      const text = (await Promise.all(ofOwn.map(async ({ key }) => `${key} ${await readKey(key)}`))).join('\n');
      expect(text).toContain(own.ids.key);
      for (const foreign of [other.tag, ...Object.values(other.ids), other.me.user.email]) expect(text).not.toContain(foreign);
    }
    const shared = owners.filter(({ tag }) => tag === null);
    const text = (await Promise.all(shared.map(async ({ key }) => `${key} ${await readKey(key)}`))).join('\n');
    for (const { tag, ids, me } of [victim, stranger])
      for (const own of [tag, ids.account, ids.key, ids.user, me.user.email]) expect(text).not.toContain(own);
  });
});

describe('answers that a caller has kept (TL-1)', () => {
  it('of one account are never said to be those of another', async () => {
    for (const path of ['/api/me', '/api/account', '/api/keys', '/api/projects', '/api/tokens', '/api/members']) {
      const etag = (await victim.browser.send('GET', path)).headers.get('etag') ?? '';
      expect([path, (await victim.browser.send('GET', path, { headers: { 'if-none-match': etag } })).status]).toEqual([
        path,
        304,
      ]);
      const foreign = await stranger.browser.send('GET', path, { headers: { 'if-none-match': etag } });
      expect([path, foreign.status, foreign.headers.get('etag') === etag]).toEqual([path, 200, false]);
    }
  });
});
