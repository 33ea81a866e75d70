import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Invite, InviteAccepted, InviteOffer, InviteSent } from '@tensorloop/contracts/api/members';
import type { Page } from '@tensorloop/contracts/api/pages';
import type { Me, Problem, Role } from '@tensorloop/contracts/dashboard-api';
import { ControlClient } from '@tensorloop/db/control-client';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { CHANGES_PER_ACTOR_MAX } from '../audit/audit.trail.js';
import { startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';
import { type CaughtMail, SmtpSink, tokenIn } from '../mail/smtp-sink.fixture.js';
import { addMember, auditedActions } from '../members/members.fixture.js';
import { LIMITS } from '../throttle/throttle.rules.js';
import { InvitesRepository } from './invites.repository.js';
import { newInviteToken } from './invites.rules.js';

const MINUTE_MS = 60_000;

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

function invite(browser: TestBrowser, email: string, role: Role = 'developer') {
  return browser.send<InviteSent & Omit<Problem, 'status'>>('POST', '/api/invites', { body: { email, role } });
}

function accept(browser: TestBrowser, token: string) {
  return browser.send<InviteAccepted & Problem>('POST', '/api/invites/accept', { body: { token } });
}

/** As if the user had made so many changes of the account just now. */
async function fillLog(on: TestControlPlane, accountId: string, { userId, changes }: { userId: string; changes: number }) {
  await on.database.query(`SELECT set_config('app.account_id', '${accountId}', false);
    SELECT control.append_audit('${accountId}', now(), '{"kind": "user", "id": "${userId}", "label": "busy"}',
      'account.renamed', '{"kind": "account", "id": "a"}', '{}', '{}') FROM generate_series(1, ${changes})`);
}

function tokenOf({ link }: { link: string | null }): string {
  return new URL(link as string).hash.slice('#token='.length);
}

/** By whoever opens the link, signed in nowhere. */
function lookUp(token: string) {
  return plane.browser().send<InviteOffer & Problem>('POST', '/api/invites/look-up', { body: { token } });
}

describe('an invitation', () => {
  it('makes whoever has the link and the address a member, once', async () => {
    const { browser, me } = await plane.signUp();
    const guest = await plane.signUp();
    const { status, body } = await invite(browser, guest.email.toUpperCase());
    expect([status, body.email, body.status, body.isMailed]).toEqual([201, guest.email, 'open', false]);
    const token = tokenOf(body);
    const offer = await lookUp(token);
    const { id: accountId, name: accountName } = me.account;
    expect(offer.body).toMatchObject({
      accountId,
      accountName,
      role: 'developer',
      email: guest.email,
      invitedBy: me.user.email,
    });
    expect(offer.headers.get('ratelimit-policy')).toContain('"requests-by-network"');
    expect(await accept(guest.browser, token)).toMatchObject({
      status: 200,
      body: { accountId: me.account.id, role: 'developer', me: null },
    });
    expect((await guest.browser.send<Me>('GET', '/api/me')).body.account.id).toBe(guest.me.account.id);
    expect((await accept(guest.browser, token)).body.code).toBe('invite_invalid');
    const members = await browser.send('GET', '/api/members');
    expect(members.text).toContain(guest.email);
    expect(await auditedActions(plane, me.account.id)).toEqual(expect.arrayContaining(['invite.created', 'member.joined']));
  });

  it('stays accepted where the session cannot act for its account, and the answer says so', async () => {
    const { browser, me } = await plane.signUp();
    const guest = await plane.signUp();
    const token = tokenOf((await invite(browser, guest.email)).body);
    // The acceptance is the last change that the guest may make there today, and the switch would be one more.
    await fillLog(plane, me.account.id, { userId: guest.me.user.id, changes: CHANGES_PER_ACTOR_MAX - 1 });
    const { status, body } = await guest.browser.send<InviteAccepted>('POST', '/api/invites/accept', {
      body: { token, switchesAccount: true },
    });
    expect([status, body.accountId, body.me]).toEqual([200, me.account.id, null]);
    expect((await guest.browser.send<Me>('GET', '/api/me')).body.account.id).toBe(guest.me.account.id);
  });

  it('lets the session act for its account in the same request, under a new token', async () => {
    const { browser, me } = await plane.signUp();
    const guest = await plane.signUp();
    const token = tokenOf((await invite(browser, guest.email)).body);
    const before = plane.browser();
    before.cookie = guest.browser.cookie;
    const { status, body } = await guest.browser.send<InviteAccepted>('POST', '/api/invites/accept', {
      body: { token, switchesAccount: true },
    });
    expect([status, body.me?.account.id, body.me?.account.role]).toEqual([200, me.account.id, 'developer']);
    expect((await before.send('GET', '/api/me')).status).toBe(401);
    expect((await guest.browser.send<Me>('GET', '/api/me')).body.account.id).toBe(me.account.id);
    expect(await auditedActions(plane, me.account.id)).toEqual(
      expect.arrayContaining(['member.joined', 'account.switched_to']),
    );
  });

  it('is used once, however often it is accepted at the same moment', async () => {
    const { browser } = await plane.signUp();
    const guest = await plane.signUp();
    const token = tokenOf((await invite(browser, guest.email)).body);
    const answers = await Promise.all(Array.from({ length: 5 }, () => accept(guest.browser, token)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('is nothing to people of another address, whoever gave them the link', async () => {
    const { browser } = await plane.signUp();
    const { body } = await invite(browser, `${uuid7()}@example.com`);
    const stranger = await plane.signUp();
    expect((await accept(stranger.browser, tokenOf(body))).body.code).toBe('invite_for_other_address');
  });

  it('that never existed, expired, was revoked or whose maker left is refused in the same words', async () => {
    const { browser, me } = await plane.signUp();
    const guest = await plane.signUp();
    const admin = await addMember(plane, me.account.id, 'admin');
    const answers = [await accept(guest.browser, newInviteToken())];

    const revoked = (await invite(browser, guest.email)).body;
    expect((await browser.send('DELETE', `/api/invites/${revoked.id}`)).status).toBe(204);
    answers.push(await accept(guest.browser, tokenOf(revoked)));

    const orphan = (await invite(admin.browser, guest.email)).body;
    await browser.send('DELETE', `/api/members/${admin.userId}`);
    answers.push(await accept(guest.browser, tokenOf(orphan)));
    await browser.send('DELETE', `/api/invites/${orphan.id}`);

    const expired = (await invite(browser, guest.email)).body;
    await plane.database.query(
      "UPDATE control.invites SET created_at = now() - interval '8 days', expires_at = now() WHERE id = $1",
      [expired.id],
    );
    answers.push(await accept(guest.browser, tokenOf(expired)));

    const said = answers.map(({ status, body: { requestId: _, ...body } }) => ({ status, body }));
    expect(said.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
    expect(new Set(said.map((answer) => JSON.stringify(answer))).size).toBe(1);
    for (const token of [newInviteToken(), tokenOf(revoked), tokenOf(orphan), tokenOf(expired)]) {
      const { status, body } = await lookUp(token);
      expect({ status, body: { ...body, requestId: undefined } }).toEqual({
        status: 404,
        body: { ...said[0]?.body, requestId: undefined },
      });
    }
    // The place of one that expired is free.
    expect((await invite(browser, guest.email)).status).toBe(201);
  });

  it('is not made twice for one address, for a member, or for a role above the maker’s', async () => {
    const { browser, me, email } = await plane.signUp();
    const admin = await addMember(plane, me.account.id, 'admin');
    const someone = `${uuid7()}@example.com`;
    await invite(browser, someone, 'owner');
    expect((await invite(browser, someone)).body.code).toBe('invite_open_already');
    expect((await invite(browser, email)).body.code).toBe('already_member');
    expect((await invite(admin.browser, `${uuid7()}@example.com`, 'owner')).body.code).toBe('role_above_own');
    const [first] = (await admin.browser.send<Page<Invite>>('GET', '/api/invites')).body.data;
    expect((await admin.browser.send('DELETE', `/api/invites/${first?.id}`)).body.code).toBe('invite_above_role');
    const viewer = await addMember(plane, me.account.id, 'viewer');
    expect((await invite(viewer.browser, `${uuid7()}@example.com`, 'viewer')).status).toBe(403);
  });

  it('can be sent again after a minute, and then only the new link works', async () => {
    const { browser } = await plane.signUp();
    const guest = await plane.signUp();
    const first = (await invite(browser, guest.email)).body;
    const resend = () => browser.send<InviteSent & Omit<Problem, 'status'>>('POST', `/api/invites/${first.id}/resend`);
    const early = await resend();
    expect([early.status, early.body.code]).toEqual([429, 'invite_sent_recently']);
    expect(Number(early.headers.get('retry-after'))).toBeGreaterThan(50);
    expect(early.headers.get('ratelimit-policy')).toBe('"mails-by-invite";q=1;w=60');
    plane.clockOffsetMs = MINUTE_MS;
    const again = await resend();
    expect(again.body.code).toBeUndefined();
    const second = again.body;
    plane.clockOffsetMs = 0;
    expect([second.id, second.link === first.link]).toEqual([first.id, false]);
    expect((await accept(guest.browser, tokenOf(first))).status).toBe(404);
    expect((await accept(guest.browser, tokenOf(second))).status).toBe(200);
    expect((await resend()).body.code).toBe('invite_not_open');
  });

  it('is made once with an Idempotency-Key, and renewed once; what is repeated does not show the link', async () => {
    const { browser, me } = await plane.signUp();
    const email = `${uuid7()}@example.com`;
    const send = <Body = InviteSent>(path: string, key: string, body?: unknown) =>
      browser.send<Body>('POST', path, { body, headers: { 'idempotency-key': key } });
    const create = () => send('/api/invites', 'create', { email, role: 'developer' });
    const [made, again] = [await create(), await create()];
    expect([made.status, again.status]).toEqual([201, 201]);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body).toEqual({ ...made.body, link: null });
    expect(made.body.link).not.toBeNull();
    plane.clockOffsetMs = MINUTE_MS;
    const resend = () => send(`/api/invites/${made.body.id}/resend`, 'resend');
    const [renewed, repeated] = [await resend(), await resend()];
    plane.clockOffsetMs = 0;
    expect([renewed.status, repeated.status]).toEqual([200, 200]);
    expect(repeated.body).toEqual({ ...renewed.body, link: null });
    const other = await send<Problem>('/api/invites', 'create', { email, role: 'viewer' });
    expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused']);
    const actions = await auditedActions(plane, me.account.id);
    expect(actions.filter((action) => action.startsWith('invite.'))).toEqual(['invite.created', 'invite.resent']);
  });

  it('that an account makes too often is refused with when the next may be made', async () => {
    const { browser, me } = await plane.signUp();
    await plane.database.query(
      `INSERT INTO control.invites (account_id, id, email, role, token_hash, invited_by, created_at, expires_at, revoked_at)
       SELECT $1::uuid, gen_random_uuid(), n || '@example.com', 'viewer', encode(sha256(($3 || n)::bytea), 'hex'), $2::uuid,
         now() - interval '23 hours', now() + interval '1 day', now() FROM generate_series(1, 200) n`,
      [me.account.id, me.user.id, me.account.id],
    );
    const { status, body, headers } = await invite(browser, `${uuid7()}@example.com`);
    expect([status, body.code]).toEqual([429, 'invite_daily_limit_reached']);
    expect(headers.get('ratelimit-policy')).toBe('"invites-by-account";q=200;w=86400');
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(3_500);
    expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(3_600);
  });

  it('is listed without its link, and leaves the list when it is over', async () => {
    const { browser } = await plane.signUp();
    const { body } = await invite(browser, `${uuid7()}@example.com`);
    const listed = await browser.send<Page<Invite>>('GET', '/api/invites');
    expect(listed.body.data).toEqual([expect.objectContaining({ id: body.id, status: 'open' })]);
    expect(listed.text).not.toContain(tokenOf(body));
    await browser.send('DELETE', `/api/invites/${body.id}`);
    expect((await browser.send<Page<Invite>>('GET', '/api/invites')).body.data).toEqual([]);
    const all = await browser.send<Page<Invite>>('GET', '/api/invites?include=inactive');
    expect(all.body.data[0]?.status).toBe('revoked');
  });
});

describe('invitations of another account (TL-1)', () => {
  it('are answered as if they did not exist, and SQL as the application sees none of them', async () => {
    const [one, other] = [await plane.signUp(), await plane.signUp()];
    const { body } = await invite(other.browser, `${uuid7()}@example.com`);
    for (const [method, suffix] of [
      ['DELETE', ''],
      ['POST', '/resend'],
    ] as const) {
      const foreign = await one.browser.send(method, `/api/invites/${body.id}${suffix}`);
      const absent = await one.browser.send(method, `/api/invites/${uuid7()}${suffix}`);
      expect({ ...foreign.body, requestId: '' }).toEqual({ ...absent.body, requestId: '' });
      expect(foreign.status).toBe(404);
    }
    const client = new ControlClient(plane.database.urls.controlApp);
    expect(await client.withAccount(one.me.account.id, (tx) => tx.invite.count())).toBe(0);
    await client.close();
  });
});

it('access that outlives a management token is given by persons alone (TL-6)', async () => {
  const { browser, me } = await plane.signUp();
  const member = await addMember(plane, me.account.id, 'viewer');
  const open = (await invite(browser, `${uuid7()}@example.com`)).body;
  const { body } = await browser.send<{ token: string }>('POST', '/api/tokens', { body: { name: 't', role: 'owner' } });
  const ask = (method: string, path: string, content?: unknown) =>
    plane.browser().send(method, path, { body: content, headers: { authorization: `Bearer ${body.token}` } });
  const answers = [
    await ask('POST', '/api/invites', { email: `${uuid7()}@example.com`, role: 'viewer' }),
    await ask('POST', `/api/invites/${open.id}/resend`),
    await ask('PATCH', `/api/members/${member.userId}`, { role: 'owner' }),
  ];
  expect(answers.map((answer) => answer.body.code)).toEqual(answers.map(() => 'session_required'));
  expect((await ask('DELETE', `/api/invites/${open.id}`)).status).toBe(204);
});

describe('with an SMTP server', () => {
  let sink: SmtpSink;
  let mailing: TestControlPlane;
  beforeAll(async () => {
    sink = await SmtpSink.start();
    mailing = await startControlPlane({ SMTP_URL: sink.url, MAIL_FROM: 'TensorLoop <no-reply@example.com>' });
  });
  afterAll(async () => {
    await mailing.close();
    await sink.stop();
  });

  async function newUser() {
    const [email, password, browser] = [`${uuid7()}@example.com`, 'correct horse battery staple', mailing.browser()];
    await browser.send('POST', '/api/auth/sign-up', { body: { email, password } });
    const token = tokenIn(await sink.mailTo(email, /Confirm/));
    const { status, body } = await browser.send<Me>('POST', '/api/auth/verify-email', { body: { token, password } });
    expect(status).toBe(200);
    return { browser, email, accountId: body.account.id };
  }
  const setVerified = (email: string, at: Date | null) =>
    mailing.database.query('UPDATE control.users SET email_verified_at = $2 WHERE email = $1', [email, at]);

  it('the link is in the mail alone, and the address must be confirmed', async () => {
    const [host, guest] = [await newUser(), await newUser()];
    const { body } = await invite(host.browser, guest.email);
    expect([body.isMailed, body.link]).toEqual([true, null]);
    const mail = await sink.mailTo(guest.email, /invites you/);
    const repeated = {
      body: { email: `${uuid7()}@example.com`, role: 'viewer' },
      headers: { 'idempotency-key': 'mailed' },
    };
    const made = await host.browser.send<InviteSent>('POST', '/api/invites', repeated);
    const again = await host.browser.send<InviteSent>('POST', '/api/invites', repeated);
    expect([made.body.isMailed, again.body]).toEqual([true, made.body]);
    expect(mail.source).toContain(host.email);
    const token = tokenIn(mail);
    await setVerified(guest.email, null);
    expect((await accept(guest.browser, token)).body.code).toBe('email_unverified');
    await setVerified(guest.email, new Date());
    expect((await accept(guest.browser, token)).status).toBe(200);
  });

  it('an invitation that is made and mailed is answered as that, though its repetition cannot be told', async () => {
    const host = await newUser();
    const repository = mailing.app.get(InvitesRepository, { strict: false });
    const { amendAnswer } = repository;
    repository.amendAnswer = () => Promise.reject(new Error('planted'));
    const { status, body } = await invite(host.browser, `${uuid7()}@example.com`);
    repository.amendAnswer = amendAnswer;
    expect([status, body.isMailed]).toEqual([201, true]);
    expect(mailing.logLines.join('')).toContain('planted');
  });

  it('what is refused is not mailed, and uses up nothing of what its address may be sent', async () => {
    const [host, busy] = [await newUser(), await newUser()];
    const stranger = `${uuid7()}@example.com`;
    const { body: open } = await invite(busy.browser, `open-${stranger}`);
    await mailing.database.query("UPDATE control.invites SET expires_at = expires_at - interval '1 hour' WHERE id = $1", [
      open.id,
    ]);
    const { body: me } = await busy.browser.send<Me>('GET', '/api/me');
    await fillLog(mailing, busy.accountId, { userId: me.user.id, changes: CHANGES_PER_ACTOR_MAX });
    for (let count = 0; count < LIMITS.mailsByAccount.max; count++) {
      const refused = [await invite(busy.browser, stranger), await busy.browser.send('POST', `/api/invites/${open.id}/resend`)];
      expect(refused.map(({ body }) => body.code)).toEqual(['changes_throttled', 'changes_throttled']);
    }
    for (const email of [stranger, `open-${stranger}`]) expect((await invite(host.browser, email)).status).toBe(201);
  });

  it('nobody is sent more than five mails in fifteen minutes, however often an invitation is taken back and made again', async () => {
    const host = await newUser();
    const stranger = `${uuid7()}@example.com`;
    for (let count = 0; count < LIMITS.mailsByAccount.max; count++) {
      const made = await invite(host.browser, stranger);
      expect(made.status).toBe(201);
      await host.browser.send('DELETE', `/api/invites/${made.body.id}`);
    }
    const sixth = await invite(host.browser, stranger);
    expect([sixth.status, sixth.body.code]).toEqual([429, 'mail_throttled']);
  });

  it('nor however often one is sent again: the refusal says until when, nothing is sent, and the last link goes on working', async () => {
    const [host, guest] = [await newUser(), await newUser()];
    const { body: made } = await invite(host.browser, guest.email);
    const resend = () => host.browser.send<InviteSent & Omit<Problem, 'status'>>('POST', `/api/invites/${made.id}/resend`);
    const { max, windowMs } = LIMITS.mailsByAccount;
    try {
      for (let count = 1; count < max; count++) {
        mailing.clockOffsetMs += MINUTE_MS;
        expect((await resend()).status).toBe(200);
      }
      mailing.clockOffsetMs += MINUTE_MS;
      const invitesTo = () => sink.mails.filter(({ to, subject }) => to.includes(guest.email) && /invites you/.test(subject));
      // Mails of links that were renewed before their turn came are not sent at all; that of the last one is.
      const last = await waitUntil(() => openAmong(invitesTo()), { what: 'the last mail' });
      const [mails, actions] = [invitesTo().length, await auditedActions(mailing, host.accountId)];
      const { status, body, headers } = await resend();
      expect([status, body.code]).toEqual([429, 'mail_throttled']);
      expect(headers.get('ratelimit-policy')).toBe(`"mails-by-account";q=${max};w=${windowMs / 1_000}`);
      const retryAfter = Number(headers.get('retry-after'));
      expect(headers.get('ratelimit')).toBe(`"mails-by-account";r=0;t=${retryAfter}`);
      // The window began with the first mail, five minutes ago.
      expect(retryAfter).toBeGreaterThan((windowMs - (max + 1) * MINUTE_MS) / 1_000);
      expect(retryAfter).toBeLessThanOrEqual((windowMs - max * MINUTE_MS) / 1_000);
      // What comes after it in the queue has come: had there been a mail of the refused one, it would be there too.
      const other = await newUser();
      expect(other.accountId).not.toBe(host.accountId);
      expect(invitesTo()).toHaveLength(mails);
      expect(await auditedActions(mailing, host.accountId)).toEqual(actions);
      expect((await accept(guest.browser, tokenIn(last))).status).toBe(200);
    } finally {
      mailing.clockOffsetMs = 0;
    }
  });

  async function openAmong(mails: readonly CaughtMail[]): Promise<CaughtMail | undefined> {
    for (const mail of mails) {
      const { status } = await mailing.browser().send('POST', '/api/invites/look-up', { body: { token: tokenIn(mail) } });
      if (status === 200) return mail;
    }
    return undefined;
  }
});
