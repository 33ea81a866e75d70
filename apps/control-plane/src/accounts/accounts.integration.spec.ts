import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCOUNTS_OWNED_MAX, type Account, type AccountMembership } from '@tensorloop/contracts/api/accounts';
import type { Member } from '@tensorloop/contracts/api/members';
import type { Page } from '@tensorloop/contracts/api/pages';
import type { Me, Problem } from '@tensorloop/contracts/dashboard-api';
import { parseKeyText } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { PEPPER, startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';
import { addMember, auditedActions } from '../members/members.fixture.js';

const DAY_MS = 86_400_000;

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

function create(browser: TestBrowser, name = 'Second') {
  return browser.send<Account & Omit<Problem, 'status'>>('POST', '/api/accounts', { body: { name } });
}

function list(browser: TestBrowser, query = '') {
  return browser.send<Page<AccountMembership>>('GET', `/api/accounts${query}`);
}

async function isRevokedInRedis(keyText: string): Promise<boolean> {
  const hash = createHmac('sha256', PEPPER).update(keyText).digest('hex');
  return (await plane.redis.hget(`tl:{${parseKeyText(keyText)?.accountTag}}:key:${hash}`, 'revoked')) === '1';
}

describe('an account that is created with an Idempotency-Key', () => {
  it('is one, however often and however parallel the request comes, and each is answered alike', async () => {
    const { browser } = await plane.signUp();
    const request = { body: { name: 'Once' }, headers: { 'idempotency-key': uuid7() } };
    const send = () => browser.send<Account & Omit<Problem, 'status'>>('POST', '/api/accounts', request);
    const parallel = await Promise.all([send(), send(), send()]);
    const last = await send();
    expect([last.status, last.headers.get('idempotency-replayed')]).toEqual([201, 'true']);
    for (const { status, body } of parallel)
      if (status === 201) expect(body).toEqual(last.body);
      else expect([status, body.code]).toEqual([409, 'idempotency_in_flight']);
    expect((await list(browser)).body.data.map(({ name }) => name).filter((name) => name === 'Once')).toHaveLength(1);
    const other = await browser.send('POST', '/api/accounts', { ...request, body: { name: 'Twice' } });
    expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused']);
  });

  it('is remembered for who asked and for nobody else: the same key of another user makes another account', async () => {
    const [one, other] = [await plane.signUp(), await plane.signUp()];
    const request = { body: { name: 'Same' }, headers: { 'idempotency-key': uuid7() } };
    const made = await one.browser.send<Account>('POST', '/api/accounts', request);
    const another = await other.browser.send<Account>('POST', '/api/accounts', request);
    expect([made.status, another.status, another.headers.get('idempotency-replayed')]).toEqual([201, 201, null]);
    expect(another.body.id).not.toBe(made.body.id);
  });
});

describe('who is signed in (TL-1)', () => {
  const me = async (browser: TestBrowser) => (await browser.send<Me>('GET', '/api/me')).body;

  it('is told what the role allows, and nothing that it does not', async () => {
    const { me: owner } = await plane.signUp();
    const viewer = await addMember(plane, owner.account.id, 'viewer');
    const { permissions, account } = await me(viewer.browser);
    expect([account.id, account.role]).toEqual([owner.account.id, 'viewer']);
    expect(permissions).toEqual(['account:read', 'members:read', 'keys:read', 'projects:read', 'usage:read']);
  });

  it('is told of a deletion that was asked for, a proven address and operating the installation', async () => {
    const { browser, me: before } = await plane.signUp();
    const asked = await browser.send<Account>('DELETE', '/api/account');
    await plane.database.query('UPDATE control.users SET email_verified_at = now() WHERE id = $1', [before.user.id]);
    await plane.database.query('INSERT INTO control.operators (user_id) VALUES ($1)', [before.user.id]);
    const after = await me(browser);
    expect([after.account.status, after.account.deleteAfter]).toEqual(['deleting', asked.body.deleteAfter]);
    expect([before.user.emailVerified, after.user.emailVerified]).toEqual([false, true]);
    expect([before.isOperator, after.isOperator]).toEqual([false, true]);
  });

  it('says what they want to be called: every member sees it, and the audit log tells it once', async () => {
    const { browser, me: owner } = await plane.signUp();
    const viewer = await addMember(plane, owner.account.id, 'viewer');
    const rename = (name: string) => viewer.browser.send<Me>('PATCH', '/api/me', { body: { name } });
    expect(await rename('  Ada ')).toMatchObject({ status: 200, body: { user: { name: 'Ada' } } });
    expect((await rename('Ada')).status).toBe(200);
    const { data } = (await browser.send<Page<Member>>('GET', '/api/members')).body;
    expect(data.map(({ userId, name }) => [userId, name])).toEqual([
      [owner.user.id, ''],
      [viewer.userId, 'Ada'],
    ]);
    expect((await auditedActions(plane, owner.account.id)).filter((action) => action === 'user.renamed')).toHaveLength(1);
    expect((await me(browser)).user.name).toBe('');
  });

  it.each([{ name: '' }, { name: 'a\u202eb' }, { name: 'x'.repeat(101) }, {}, { name: 'Ada', role: 'owner' }])(
    'is not called %j',
    async (body) => {
      const { browser } = await plane.signUp();
      const answer = await browser.send('PATCH', '/api/me', { body });
      expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
    },
  );
});

describe('accounts of a person (TL-1)', () => {
  it('are listed with role and which one the session acts for, page by page', async () => {
    const { browser, me } = await plane.signUp();
    const { status, body } = await create(browser);
    expect([status, body.name, body.planId, body.status, body.version]).toEqual([201, 'Second', 'free', 'active', 1]);
    const { data } = (await list(browser)).body;
    expect(data.map(({ id, role, isCurrent }) => [id, role, isCurrent])).toEqual([
      [me.account.id, 'owner', true],
      [body.id, 'owner', false],
    ]);
    const first = (await list(browser, '?limit=1')).body;
    expect([first.data.length, first.hasMore]).toEqual([1, true]);
    const second = (await list(browser, `?limit=1&cursor=${first.nextCursor}`)).body;
    expect([second.data[0]?.id, second.hasMore, second.nextCursor]).toEqual([body.id, false, null]);
    expect(await auditedActions(plane, body.id)).toEqual(['account.created']);
  });

  it('are bounded, however many are asked for at once', async () => {
    const { browser } = await plane.signUp();
    const answers = await Promise.all(Array.from({ length: ACCOUNTS_OWNED_MAX + 3 }, () => create(browser)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(ACCOUNTS_OWNED_MAX - 1);
    expect(new Set(answers.filter(({ status }) => status !== 201).map(({ body }) => body.code))).toEqual(
      new Set(['accounts_owned_limit_reached']),
    );
  });

  it('are not those of others', async () => {
    const [one, other] = [await plane.signUp(), await plane.signUp()];
    expect((await list(one.browser)).text).not.toContain(other.me.account.id);
  });
});

describe('acting for another account (TL-1)', () => {
  const switchTo = (browser: TestBrowser, accountId: string) =>
    browser.send<Me & Omit<Problem, 'status'>>('POST', `/api/accounts/${accountId}/switch`);

  it('gives the session a new token; the old one opens nothing more', async () => {
    const { browser } = await plane.signUp();
    const { id } = (await create(browser)).body;
    const stolen = plane.browser();
    stolen.cookie = browser.cookie;
    const { status, body } = await switchTo(browser, id);
    expect([status, body.account.id, body.account.role]).toEqual([200, id, 'owner']);
    expect(browser.cookie).not.toBe(stolen.cookie);
    expect((await stolen.send('GET', '/api/me')).status).toBe(401);
    expect((await browser.send<Me>('GET', '/api/me')).body.account.id).toBe(id);
    expect((await list(browser)).body.data.find(({ isCurrent }) => isCurrent)?.id).toBe(id);
    expect(await auditedActions(plane, id)).toContain('account.switched_to');
  });

  it('brings the role that the person has there', async () => {
    const { browser, me } = await plane.signUp();
    const viewer = await addMember(plane, me.account.id, 'viewer');
    const own = (await list(viewer.browser)).body.data.find(({ role }) => role === 'owner')?.id as string;
    expect((await viewer.browser.mint()).status).toBe(403);
    await switchTo(viewer.browser, own);
    expect((await viewer.browser.mint()).status).toBe(201);
    expect((await browser.send('GET', '/api/keys')).text).not.toContain(own);
  });

  it('is answered alike for an account of others and for none, and changes nothing', async () => {
    const [one, other] = [await plane.signUp(), await plane.signUp()];
    const [foreign, absent] = [await switchTo(one.browser, other.me.account.id), await switchTo(one.browser, uuid7())];
    expect([foreign.status, foreign.body.code]).toEqual([404, 'account_not_found']);
    expect({ ...absent.body, requestId: '' }).toEqual({ ...foreign.body, requestId: '' });
    expect((await one.browser.send<Me>('GET', '/api/me')).body.account.id).toBe(one.me.account.id);
    expect(await auditedActions(plane, other.me.account.id)).not.toContain('account.switched_to');
  });
});

describe('the name of an account', () => {
  it('is changed by those who may, against the version that they saw, and told in the audit log', async () => {
    const { browser, me } = await plane.signUp();
    const seen = await browser.send<Account>('GET', '/api/account');
    const headers = { 'if-match': seen.headers.get('etag') as string };
    const renamed = await browser.send<Account>('PATCH', '/api/account', { body: { name: 'Works' }, headers });
    expect([renamed.status, renamed.body.name, renamed.body.version]).toEqual([200, 'Works', 2]);
    const late = await browser.send('PATCH', '/api/account', { body: { name: 'Late' }, headers });
    expect(late.status).toBe(412);
    expect((await auditedActions(plane, me.account.id)).filter((action) => action === 'account.renamed')).toHaveLength(1);
    const viewer = await addMember(plane, me.account.id, 'viewer');
    expect((await viewer.browser.send('PATCH', '/api/account', { body: { name: 'Mine' } })).status).toBe(403);
    expect((await viewer.browser.send<Account>('GET', '/api/account')).body.name).toBe('Works');
  });
});

describe('deleting an account', () => {
  it('stops its keys at once, keeps everything for the grace, and taking it back makes them work again', async () => {
    const { browser, me } = await plane.signUp();
    const { key } = (await browser.mint()).body;
    const asked = await browser.send<Account>('DELETE', '/api/account');
    expect([asked.status, asked.body.status]).toEqual([200, 'deleting']);
    const graceMs = Date.parse(asked.body.deleteAfter as string) - Date.now();
    expect(Math.round(graceMs / DAY_MS)).toBe(14);
    expect(await isRevokedInRedis(key)).toBe(true);
    expect((await browser.mint()).status).toBe(409);
    const restored = await browser.send<Account>('POST', '/api/account/restore');
    expect([restored.status, restored.body.status, restored.body.deleteAfter]).toEqual([200, 'active', null]);
    expect(await isRevokedInRedis(key)).toBe(false);
    expect((await browser.mint()).status).toBe(201);
    const actions = await auditedActions(plane, me.account.id);
    expect(actions).toEqual(expect.arrayContaining(['account.deletion_requested', 'account.restored']));
  });

  it('asked for twice is asked for once: the grace does not begin again', async () => {
    const { browser } = await plane.signUp();
    const first = await browser.send<Account>('DELETE', '/api/account');
    const second = await browser.send<Account>('DELETE', '/api/account');
    expect(second.body).toEqual(first.body);
  });

  it('is for owners alone', async () => {
    const { me } = await plane.signUp();
    const admin = await addMember(plane, me.account.id, 'admin');
    expect((await admin.browser.send('DELETE', '/api/account')).body.code).toBe('role_insufficient');
  });

  it('is saved while Redis is away, and answered with 503 until the keys have stopped', async () => {
    const { browser } = await plane.signUp();
    const { key } = (await browser.mint()).body;
    await plane.redisServer.server.kill();
    const refused = await browser.send('DELETE', '/api/account');
    expect([refused.status, refused.body.code]).toEqual([503, 'deletion_not_in_force_yet']);
    await plane.redisServer.server.restart();
    expect((await browser.send('DELETE', '/api/account')).status).toBe(200);
    expect(await isRevokedInRedis(key)).toBe(true);
  });
});
