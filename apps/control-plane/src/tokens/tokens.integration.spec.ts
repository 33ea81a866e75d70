import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Account } from '@tensorloop/contracts/api/accounts';
import type { Page } from '@tensorloop/contracts/api/pages';
import { TOKENS_PER_ACCOUNT_MAX, type Token, type TokenCreated } from '@tensorloop/contracts/api/tokens';
import type { KeyCreated, Problem, Role } from '@tensorloop/contracts/dashboard-api';
import { ControlClient } from '@tensorloop/db/control-client';
import { newKeyText } from '@tensorloop/kernel/key-text';
import { MANAGEMENT_TOKEN_PATTERN, newManagementToken } from '@tensorloop/kernel/management-token';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { GATEWAY_URL, startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';
import { addMember, auditedActions } from '../members/members.fixture.js';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

type Created = TokenCreated & Omit<Problem, 'status'>;

function create(browser: TestBrowser, body: { role: Role; expiresInDays?: number; name?: string }, headers = {}) {
  return browser.send<Created>('POST', '/api/tokens', { body: { name: 'ci', ...body }, headers });
}

/** A script: no cookie, and the headers that it is given. */
function asScript<Body = Problem>(token: string, request: string, options: { body?: unknown; headers?: object } = {}) {
  const [method, path] = request.split(' ') as [string, string];
  const headers = { authorization: `Bearer ${token}`, ...options.headers };
  return plane.browser().send<Body>(method, path, { ...options, headers });
}

async function tokenOf(browser: TestBrowser, role: Role): Promise<{ id: string; text: string }> {
  const { body } = await create(browser, { role });
  return { id: body.id, text: body.token as string };
}

describe('a management token (TL-6)', () => {
  it('is shown once, stored as a hash, and in no list and no log', async () => {
    const { browser, me, email } = await plane.signUp();
    const { status, body } = await create(browser, { role: 'developer' });
    expect(status).toBe(201);
    expect(body.token).toMatch(MANAGEMENT_TOKEN_PATTERN);
    expect(Date.parse(body.expiresAt) - Date.parse(body.createdAt)).toBe(90 * DAY_MS);
    const list = await browser.send<Page<Token>>('GET', '/api/tokens');
    expect(list.body.data).toEqual([
      expect.objectContaining({
        id: body.id,
        name: 'ci',
        role: 'developer',
        lastUsedAt: null,
        status: 'active',
        createdBy: { userId: me.user.id, email },
      }),
    ]);
    expect(list.text).not.toContain(body.token);
    const rows = await plane.database.query('SELECT row_to_json(t)::text AS row FROM control.management_tokens t');
    expect(JSON.stringify(rows)).not.toContain(body.token);
    expect(plane.logLines.join('')).not.toContain(body.token);
  });

  it('opens the dashboard API for its account, within its role, without a cookie', async () => {
    const { browser, me } = await plane.signUp();
    const { text } = await tokenOf(browser, 'developer');
    const account = await asScript<Account>(text, 'GET /api/account');
    expect([account.status, account.body.id]).toEqual([200, me.account.id]);
    expect(account.headers.getSetCookie()).toEqual([]);
    expect((await asScript<KeyCreated>(text, 'POST /api/keys', { body: { name: 'k' } })).status).toBe(201);
    expect((await asScript(text, 'PATCH /api/account', { body: { name: 'mine' } })).body.code).toBe('role_insufficient');
    const { text: viewer } = await tokenOf(browser, 'viewer');
    expect((await asScript(viewer, 'POST /api/keys', { body: { name: 'k' } })).status).toBe(403);
  });

  it('is judged by itself, whatever cookie and whatever site come with it', async () => {
    const { browser } = await plane.signUp();
    const { id, text } = await tokenOf(browser, 'owner');
    const forged = { 'sec-fetch-site': 'cross-site', origin: 'https://elsewhere.example' };
    expect((await asScript(text, 'PATCH /api/account', { body: { name: 'x' }, headers: forged })).status).toBe(200);
    await browser.send('DELETE', `/api/tokens/${id}`);
    const both = await browser.send('GET', '/api/account', { headers: { authorization: `Bearer ${text}` } });
    expect([both.status, both.body.code]).toEqual([401, 'token_invalid']);
  });

  it('opens nothing that belongs to a person', async () => {
    const { browser } = await plane.signUp();
    const { text } = await tokenOf(browser, 'owner');
    const routes = ['GET /api/me', 'GET /api/accounts', 'POST /api/accounts', 'DELETE /api/account', 'POST /api/tokens'];
    for (const request of routes) {
      const { status, body } = await asScript(text, request);
      expect([request, status, body.code]).toEqual([request, 403, 'session_required']);
    }
  });

  it('that is an inference key is told where it belongs, and so is one that was mistyped', async () => {
    const key = await asScript(newKeyText('AAAAAAAA'), 'GET /api/account');
    expect([key.status, key.body.code]).toEqual([401, 'wrong_surface']);
    expect(key.body.detail).toContain(`${GATEWAY_URL}/v1`);
    const { body } = await asScript('tlm_abc', 'GET /api/account');
    expect(body).toMatchObject({ code: 'token_invalid', status: 401, detail: expect.stringContaining('malformed') });
    expect((await asScript(newManagementToken('AAAAAAAA'), 'GET /api/account')).body.detail).toMatch(/no such/);
  });
});

describe('a management token stops', () => {
  it('at once when it is revoked, and its last use stays to be seen', async () => {
    const { browser, me } = await plane.signUp();
    const { id, text } = await tokenOf(browser, 'viewer');
    expect((await asScript(text, 'GET /api/account')).status).toBe(200);
    expect((await browser.send('DELETE', `/api/tokens/${id}`)).status).toBe(204);
    expect((await asScript(text, 'GET /api/account')).body.detail).toMatch(/revoked/);
    expect((await browser.send<Page<Token>>('GET', '/api/tokens')).body.data).toEqual([]);
    const { data } = (await browser.send<Page<Token>>('GET', '/api/tokens?include=inactive')).body;
    expect(data[0]).toMatchObject({ id, status: 'revoked', lastUsedAt: expect.any(String) });
    expect(await auditedActions(plane, me.account.id)).toEqual(expect.arrayContaining(['token.created', 'token.revoked']));
  });

  it('when its days are over', async () => {
    const { browser } = await plane.signUp();
    const { body } = await create(browser, { role: 'viewer', expiresInDays: 1 });
    plane.clockOffsetMs = DAY_MS;
    expect((await asScript(body.token as string, 'GET /api/account')).body.detail).toMatch(/expired/);
    plane.clockOffsetMs = 0;
    expect((await create(browser, { role: 'viewer', expiresInDays: 366 })).status).toBe(400);
  });

  it('when whoever made it leaves, is disabled, or can do less than the token', async () => {
    const { me } = await plane.signUp();
    const admin = await addMember(plane, me.account.id, 'admin');
    const { text } = await tokenOf(admin.browser, 'admin');
    const detail = async () => (await asScript(text, 'GET /api/account')).body.detail;
    const setRole = (role: Role) =>
      plane.database.query('UPDATE control.memberships SET role = $1 WHERE user_id = $2 AND account_id = $3', [
        role,
        admin.userId,
        me.account.id,
      ]);
    await setRole('viewer');
    expect(await detail()).toMatch(/lesser role/);
    await setRole('admin');
    expect(await detail()).toBeUndefined();
    await plane.database.query('UPDATE control.users SET disabled_at = now() WHERE id = $1', [admin.userId]);
    expect(await detail()).toMatch(/is disabled/);
    await plane.database.query('UPDATE control.users SET disabled_at = NULL WHERE id = $1', [admin.userId]);
    await plane.database.query('DELETE FROM control.memberships WHERE user_id = $1 AND account_id = $2', [
      admin.userId,
      me.account.id,
    ]);
    expect(await detail()).toMatch(/has left/);
  });

  it('while its account is disabled or about to be deleted', async () => {
    const { browser } = await plane.signUp();
    const { text } = await tokenOf(browser, 'viewer');
    await browser.send('DELETE', '/api/account');
    expect((await asScript(text, 'GET /api/account')).status).toBe(401);
    expect((await create(browser, { role: 'viewer' })).body.code).toBe('account_not_active');
    await browser.send('POST', '/api/account/restore');
    expect((await asScript(text, 'GET /api/account')).status).toBe(200);
  });
});

describe('creating management tokens', () => {
  it('is bounded by the role of whoever does it', async () => {
    const { me } = await plane.signUp();
    const developer = await addMember(plane, me.account.id, 'developer');
    const refused = await create(developer.browser, { role: 'admin' });
    expect([refused.status, refused.body.code, refused.body.errors?.[0]?.pointer]).toEqual([
      422,
      'token_role_above_own',
      '/role',
    ]);
    expect((await create(developer.browser, { role: 'developer' })).status).toBe(201);
    const billing = await addMember(plane, me.account.id, 'billing');
    expect((await create(billing.browser, { role: 'billing' })).status).toBe(403);
  });

  it('is bounded in number, however many are asked for at once', async () => {
    const { browser, me } = await plane.signUp();
    const { text } = await tokenOf(browser, 'viewer');
    const [row] = await plane.database.query<{ id: string }>('SELECT id FROM control.management_tokens WHERE account_id = $1', [
      me.account.id,
    ]);
    expect(text).toMatch(MANAGEMENT_TOKEN_PATTERN);
    const copies = TOKENS_PER_ACCOUNT_MAX - 3;
    await plane.database.query(
      `INSERT INTO control.management_tokens (account_id, id, name, token_hash, preview, role, created_by, expires_at)
       SELECT account_id, gen_random_uuid(), name, md5(n::text) || md5(n::text || account_id), preview, role, created_by, expires_at
       FROM control.management_tokens, generate_series(1, $2) AS n WHERE id = $1`,
      [row?.id, copies],
    );
    const answers = await Promise.all(Array.from({ length: 6 }, () => create(browser, { role: 'viewer' })));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(2);
    expect(answers.find(({ status }) => status !== 201)?.body.code).toBe('token_limit_reached');
  });

  it('happens once for an Idempotency-Key, and the repetition does not show the text', async () => {
    const { browser } = await plane.signUp();
    const headers = { 'idempotency-key': uuid7() };
    const first = await create(browser, { role: 'viewer' }, headers);
    const again = await create(browser, { role: 'viewer' }, headers);
    expect([again.status, again.body.id, again.body.token]).toEqual([201, first.body.id, null]);
  });
});

describe('the use of a token', () => {
  it('is written down at most once a minute', async () => {
    const { browser } = await plane.signUp();
    const { text } = await tokenOf(browser, 'viewer');
    const lastUse = async () => (await browser.send<Page<Token>>('GET', '/api/tokens')).body.data[0]?.lastUsedAt;
    await asScript(text, 'GET /api/account');
    const first = await lastUse();
    await asScript(text, 'GET /api/account');
    expect(await lastUse()).toBe(first);
    plane.clockOffsetMs = MINUTE_MS;
    await asScript(text, 'GET /api/account');
    plane.clockOffsetMs = 0;
    expect(Date.parse((await lastUse()) as string)).toBeGreaterThanOrEqual(Date.parse(first as string) + MINUTE_MS);
  });

  it('is named in the audit log by the token, not by the person who made it', async () => {
    const { browser, me } = await plane.signUp();
    const { id, text } = await tokenOf(browser, 'admin');
    await asScript(text, 'PATCH /api/account', { body: { name: 'by script' } });
    const [entry] = await plane.database.query(
      `SELECT actor_kind, actor_id, actor_label FROM control.audit_entries WHERE account_id = $1 AND action = 'account.renamed'`,
      [me.account.id],
    );
    expect(entry).toEqual({ actor_kind: 'token', actor_id: id, actor_label: 'ci' });
  });
});

describe('tokens of another account (TL-1)', () => {
  it('are answered as if they did not exist, and stay as they are', async () => {
    const [one, other] = [await plane.signUp(), await plane.signUp()];
    const { id, text } = await tokenOf(other.browser, 'viewer');
    const foreign = await one.browser.send('DELETE', `/api/tokens/${id}`);
    const absent = await one.browser.send('DELETE', `/api/tokens/${uuid7()}`);
    const { requestId: _, ...said } = foreign.body;
    expect(absent.body).toMatchObject(said);
    expect((await asScript(text, 'GET /api/account')).status).toBe(200);
  });

  it('are not to be seen or changed by SQL as the application', async () => {
    const [one, other] = [await plane.signUp(), await plane.signUp()];
    const { id } = await tokenOf(other.browser, 'viewer');
    const client = new ControlClient(plane.database.urls.controlApp);
    const seen = await client.withAccount(one.me.account.id, async (tx) => [
      await tx.managementToken.count(),
      (await tx.managementToken.updateMany({ where: { id }, data: { revokedAt: new Date() } })).count,
    ]);
    expect(seen).toEqual([0, 0]);
    const forged = client.withAccount(one.me.account.id, (tx) =>
      tx.managementToken.create({
        data: {
          accountId: other.me.account.id,
          id: uuid7(),
          name: 'n',
          tokenHash: 'a'.repeat(64),
          preview: 'p',
          role: 'owner',
          createdBy: one.me.user.id,
          expiresAt: new Date(Date.now() + DAY_MS),
        },
      }),
    );
    await expect(forged).rejects.toThrow(/row-level security/);
    await client.close();
  });
});
