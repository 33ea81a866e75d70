import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { KeyCreated, Me } from '@tensorloop/contracts/dashboard-api';
import { type DeclaredRoute, walkRoutes } from '@tensorloop/nest-kit/routes';
import { type Answer, startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';
import { codeIn, SmtpSink, tokenIn } from '../mail/smtp-sink.fixture.js';
import { addMember } from '../members/members.fixture.js';

/** What the product has; a walk that finds fewer is blind. */
const WRITING_ROUTES_MIN = 35;
/** Invitations are sent again after a minute at the earliest. */
const RESEND_WAIT_MS = 61_000;
const PASSWORD = 'another long passphrase 17';

let plane: TestControlPlane;
let mailing: TestControlPlane;
let sink: SmtpSink;
beforeAll(async () => {
  sink = await SmtpSink.start();
  const settings = { SMTP_URL: sink.url, MAIL_FROM: 'TensorLoop <no-reply@example.com>' };
  [plane, mailing] = await Promise.all([startControlPlane(), startControlPlane(settings)]);
});
afterAll(async () => {
  await Promise.all([plane.close(), mailing.close()]);
  await sink.stop();
});

type Sent = Answer<Record<string, unknown>>;
/** `route` is method and path, with a blank between. */
function send(browser: TestBrowser, route: string, body?: unknown): Promise<Sent> {
  const [method = '', path = ''] = route.split(' ');
  return browser.send<Record<string, unknown>>(method, path, body === undefined ? {} : { body });
}

/** On plan pro, so that nothing is refused for want of room. */
async function signUp() {
  const signedUp = await plane.signUp();
  await plane.database.query("UPDATE control.accounts SET plan_id = 'pro' WHERE id = $1", [signedUp.me.account.id]);
  return signedUp;
}

async function created(browser: TestBrowser, path: string, body: unknown): Promise<string> {
  const answer = await send(browser, `POST ${path}`, body);
  if (answer.status !== 201) throw new Error(`POST ${path} answered ${answer.status}: ${answer.text}`);
  return answer.body['id'] as string;
}

const key = async () => {
  const { browser } = await signUp();
  const { body } = await browser.mint();
  return { browser, id: (body as KeyCreated).id };
};
const project = async () => {
  const { browser } = await signUp();
  return { browser, id: await created(browser, '/api/projects', { name: 'p' }) };
};
const token = async () => {
  const { browser } = await signUp();
  return { browser, id: await created(browser, '/api/tokens', { name: 't', role: 'viewer' }) };
};
const INVITE = () => ({ email: `${randomUUID()}@example.com`, role: 'viewer' });
const invite = async () => {
  const { browser } = await signUp();
  return { browser, id: await created(browser, '/api/invites', INVITE()) };
};
const member = async () => {
  const { browser, me } = await signUp();
  return { browser, id: (await addMember(plane, me.account.id, 'viewer')).userId };
};
const otherSession = async () => {
  const { browser, email, password } = await signUp();
  await send(plane.browser(), 'POST /api/auth/sign-in', { email, password });
  const { body } = await browser.send<{ data: { id: string; isCurrent: boolean }[] }>('GET', '/api/sessions');
  return { browser, id: body.data.find(({ isCurrent }) => !isCurrent)?.id as string };
};
const operated = async () => {
  const operator = await signUp();
  await plane.database.query('INSERT INTO control.operators (user_id) VALUES ($1)', [operator.me.user.id]);
  const { me } = await signUp();
  return { browser: operator.browser, id: me.account.id };
};
const deleting = async () => {
  const { browser, me } = await signUp();
  await send(browser, 'DELETE /api/account', { name: me.account.name });
  return browser;
};

/** Somebody who signed up where mails are sent, up to the mail that confirms the address. */
async function signUpByMail() {
  const email = `${randomUUID()}@example.com`;
  const browser = mailing.browser();
  await send(browser, 'POST /api/auth/sign-up', { email, password: PASSWORD });
  return { browser, email, mail: await sink.mailTo(email) };
}

async function verified() {
  const signedUp = await signUpByMail();
  await send(signedUp.browser, 'POST /api/auth/verify-email', { token: tokenIn(signedUp.mail), password: PASSWORD });
  return { ...signedUp, mails: sink.mails.length };
}

const REASON = { reason: 'spec' };

/**
 * Each writing route, carried out as it is meant to be. One that is new belongs here, or below with the reason why it
 * leaves no entry.
 */
const DRIVEN: Record<string, () => Promise<Sent>> = {
  'POST /api/auth/sign-up': async () =>
    send(plane.browser(), 'POST /api/auth/sign-up', { email: `${randomUUID()}@example.com`, password: PASSWORD }),
  'POST /api/auth/sign-in': async () => {
    const { email, password } = await signUp();
    return send(plane.browser(), 'POST /api/auth/sign-in', { email, password });
  },
  'POST /api/auth/verify-email': async () => {
    const { browser, mail } = await signUpByMail();
    return send(browser, 'POST /api/auth/verify-email', { token: tokenIn(mail), password: PASSWORD });
  },
  'POST /api/auth/password-reset/confirm': async () => {
    const { browser, email, mails } = await verified();
    await send(browser, 'POST /api/auth/password-reset', { email });
    const mail = await sink.mailTo(email, /./, mails);
    return send(browser, 'POST /api/auth/password-reset/confirm', { token: tokenIn(mail), password: `${PASSWORD} new` });
  },
  'POST /api/auth/code/verify': async () => {
    const { browser, email, mails } = await verified();
    await send(browser, 'POST /api/auth/code', { email });
    const mail = await sink.mailTo(email, /./, mails);
    return send(browser, 'POST /api/auth/code/verify', { code: codeIn(mail) });
  },
  'PUT /api/auth/password': async () => {
    const { browser, password } = await signUp();
    return send(browser, 'PUT /api/auth/password', { currentPassword: password, newPassword: PASSWORD });
  },
  'DELETE /api/auth/google/link': async () => {
    const { browser, me } = await signUp();
    await plane.database.query(
      "INSERT INTO control.identities (issuer, subject, user_id, email) VALUES ('https://accounts.google.com', $1, $2, 'a@example.com')",
      [randomUUID(), me.user.id],
    );
    return send(browser, 'DELETE /api/auth/google/link');
  },
  'DELETE /api/sessions': async () => send((await otherSession()).browser, 'DELETE /api/sessions'),
  'DELETE /api/sessions/:id': async () => {
    const { browser, id } = await otherSession();
    return send(browser, `DELETE /api/sessions/${id}`);
  },
  'PUT /api/account/plan': async () => send((await plane.signUp()).browser, 'PUT /api/account/plan', { planId: 'developer' }),
  'PATCH /api/me': async () => send((await signUp()).browser, 'PATCH /api/me', { name: 'Ada' }),
  'PATCH /api/account': async () => send((await signUp()).browser, 'PATCH /api/account', { name: 'Renamed' }),
  'DELETE /api/account': async () => {
    const { browser, me } = await signUp();
    return send(browser, 'DELETE /api/account', { name: me.account.name });
  },
  'POST /api/account/restore': async () => send(await deleting(), 'POST /api/account/restore'),
  'POST /api/accounts': async () => send((await signUp()).browser, 'POST /api/accounts', { name: 'Second' }),
  'POST /api/accounts/:id/switch': async () => {
    const { browser } = await signUp();
    return send(browser, `POST /api/accounts/${await created(browser, '/api/accounts', { name: 'Second' })}/switch`);
  },
  'POST /api/invites': async () => send((await signUp()).browser, 'POST /api/invites', INVITE()),
  'POST /api/invites/:id/resend': async () => {
    const { browser, id } = await invite();
    plane.clockOffsetMs += RESEND_WAIT_MS;
    return send(browser, `POST /api/invites/${id}/resend`);
  },
  'DELETE /api/invites/:id': async () => {
    const { browser, id } = await invite();
    return send(browser, `DELETE /api/invites/${id}`);
  },
  'POST /api/invites/accept': async () => {
    const [host, guest] = [await signUp(), await signUp()];
    const { body } = await send(host.browser, 'POST /api/invites', { email: guest.email, role: 'viewer' });
    const [, text] = /#token=([\w-]+)/.exec(String(body['link'])) ?? [];
    return send(guest.browser, 'POST /api/invites/accept', { token: text });
  },
  'PATCH /api/members/:userId': async () => {
    const { browser, id } = await member();
    return send(browser, `PATCH /api/members/${id}`, { role: 'developer' });
  },
  'DELETE /api/members/:userId': async () => {
    const { browser, id } = await member();
    return send(browser, `DELETE /api/members/${id}`);
  },
  'POST /api/keys': async () => (await signUp()).browser.mint() as unknown as Promise<Sent>,
  'PATCH /api/keys/:id': async () => {
    const { browser, id } = await key();
    return send(browser, `PATCH /api/keys/${id}`, { name: 'renamed' });
  },
  'DELETE /api/keys/:id': async () => {
    const { browser, id } = await key();
    return send(browser, `DELETE /api/keys/${id}`);
  },
  'POST /api/projects': async () => send((await signUp()).browser, 'POST /api/projects', { name: 'p' }),
  'PATCH /api/projects/:id': async () => {
    const { browser, id } = await project();
    return send(browser, `PATCH /api/projects/${id}`, { name: 'renamed' });
  },
  'DELETE /api/projects/:id': async () => {
    const { browser, id } = await project();
    return send(browser, `DELETE /api/projects/${id}`);
  },
  'POST /api/tokens': async () => send((await signUp()).browser, 'POST /api/tokens', { name: 't', role: 'viewer' }),
  'DELETE /api/tokens/:id': async () => {
    const { browser, id } = await token();
    return send(browser, `DELETE /api/tokens/${id}`);
  },
  'POST /api/operator/accounts/:id/disable': async () => {
    const { browser, id } = await operated();
    return send(browser, `POST /api/operator/accounts/${id}/disable`, REASON);
  },
  'POST /api/operator/accounts/:id/enable': async () => {
    const { browser, id } = await operated();
    return send(browser, `POST /api/operator/accounts/${id}/enable`, REASON);
  },
  'PUT /api/operator/accounts/:id/plan': async () => {
    const { browser, id } = await operated();
    return send(browser, `PUT /api/operator/accounts/${id}/plan`, { planId: 'enterprise', ...REASON });
  },
  'POST /api/operator/accounts/:id/keys/reproject': async () => {
    const { browser, id } = await operated();
    return send(browser, `POST /api/operator/accounts/${id}/keys/reproject`, REASON);
  },
};

/** Writing by their method, and without an entry, each for the reason stated. */
const UNLOGGED: Record<string, string> = {
  'POST /api/auth/sign-out': 'ends the caller’s own session; nothing of an account changes',
  'POST /api/auth/verify-email/resend': 'sends a mail to an address that may be nobody’s',
  'POST /api/auth/password-reset': 'sends a mail to an address that may be nobody’s; the reset itself is logged',
  'POST /api/auth/code': 'sends a mail to an address that may be nobody’s; the sign-in itself is logged',
  'POST /api/auth/google/link': 'answers with where to send the browser; linking is logged when Google sends it back',
  'POST /api/account/plan/preview': 'computes and changes nothing',
  'POST /api/invites/look-up': 'reads; it is a POST to keep the token out of addresses and logs',
};

const nameOf = ({ method, path }: DeclaredRoute) => `${method} ${path}`;
const writingRoutes = () =>
  walkRoutes(plane.app).filter(({ method, path }) => path.startsWith('/api/') && !['GET', 'HEAD'].includes(method));

async function entriesOf(answer: Sent): Promise<number> {
  const requestId = answer.headers.get('x-request-id');
  const count = 'SELECT count(*)::int AS count FROM control.audit_entries WHERE request_id = $1';
  const rows = await Promise.all([plane, mailing].map(({ database }) => database.query<{ count: number }>(count, [requestId])));
  return rows.flat().reduce((sum, row) => sum + row.count, 0);
}

describe('every route that writes (TL-1)', () => {
  it('is carried out below, or is named with the reason why it leaves no entry in the audit log', () => {
    const routes = writingRoutes().map(nameOf);
    expect(routes.length).toBeGreaterThanOrEqual(WRITING_ROUTES_MIN);
    expect(routes.filter((route) => !(route in DRIVEN) && !(route in UNLOGGED))).toEqual([]);
    expect([...Object.keys(DRIVEN), ...Object.keys(UNLOGGED)].filter((route) => !routes.includes(route))).toEqual([]);
    expect(Object.keys(DRIVEN).filter((route) => route in UNLOGGED)).toEqual([]);
  });

  it.each(Object.keys(DRIVEN))('%s leaves an entry in the audit log, under the id of its request', async (route) => {
    const answer = await (DRIVEN[route] as () => Promise<Sent>)();
    expect([answer.status, answer.status >= 200 && answer.status < 300 ? '' : answer.text]).toEqual([answer.status, '']);
    expect(await entriesOf(answer)).toBeGreaterThanOrEqual(1);
  });

  it('leaves none when it is refused', async () => {
    const { browser } = await plane.signUp();
    const refused = await send(browser, 'POST /api/keys', { name: 'spec', rpm: 1_000_000 });
    expect(refused.status).toBe(422);
    expect(await entriesOf(refused)).toBe(0);
  });

  it('tells an entry of nobody else’s request from its own', async () => {
    const { body, headers } = await plane.browser().send<Me>('GET', '/health/live');
    expect(body).toBeDefined();
    expect(await entriesOf({ headers } as Sent)).toBe(0);
  });
});
