import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { KeyCreated } from '@tensorloop/contracts/dashboard-api';
import { setAccountPlan } from '@tensorloop/db/operator';
import { KEY_PATTERN, parseKeyText } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { PEPPER, startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';

const DAY_MS = 86_400_000;
const PARALLEL_MINTS = 20;

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

interface KeyList {
  data: { id: string; status: string }[];
}

async function listIds(browser: TestBrowser, query = ''): Promise<string[]> {
  return (await browser.send<KeyList>('GET', `/api/keys${query}`)).body.data.map(({ id }) => id);
}

function redisKeyOf(keyText: string): string {
  const hash = createHmac('sha256', PEPPER).update(keyText).digest('hex');
  return `tl:{${parseKeyText(keyText)?.accountTag}}:key:${hash}`;
}

describe('a minted key (TL-3)', () => {
  it('is answered once in plaintext, with the terms asked for', async () => {
    const { browser } = await plane.signUp();
    const { status, body } = await browser.mint({ name: 'ci', budgetUsd: '0.25', rpm: 5, expiresInDays: 7 });
    expect(status).toBe(201);
    expect(body).toMatchObject({ name: 'ci', models: ['gpt-4o-mini'], budgetUsd: '0.25', rpm: 5, status: 'active' });
    expect(Date.parse(body.expiresAt) - Date.parse(body.createdAt)).toBe(7 * DAY_MS);
    expect(body.key).toMatch(KEY_PATTERN);
    const list = await browser.send('GET', '/api/keys');
    expect(list.text).not.toContain(body.key);
    expect(list.text).toContain(body.preview);
    const stored = await plane.database.query('SELECT row_to_json(k)::text AS row FROM control.keys k');
    expect(JSON.stringify(stored)).not.toContain(body.key);
    expect(plane.logLines.join('')).not.toContain(body.key);
  });

  it('is in Redis when the API answers, so that the first call with it works', async () => {
    const { browser, me } = await plane.signUp();
    const { body } = await browser.mint();
    expect(await plane.redis.hgetall(redisKeyOf(body.key))).toMatchObject({
      version: '1',
      keyId: body.id,
      accountId: me.account.id,
      revoked: '0',
      budget: '5000000000',
      rpm: '30',
      mintedAtMs: String(Date.parse(body.createdAt)),
    });
    expect(await plane.database.query('SELECT FROM control.key_projection_outbox WHERE key_id = $1', [body.id])).toHaveLength(
      0,
    );
  });

  it('is revoked in Redis when the API answers the revocation, and leaves the list', async () => {
    const { browser } = await plane.signUp();
    const { body } = await browser.mint();
    expect((await browser.send('DELETE', `/api/keys/${body.id}`)).status).toBe(204);
    expect(await plane.redis.hgetall(redisKeyOf(body.key))).toMatchObject({ version: '2', revoked: '1' });
    expect(await listIds(browser)).toEqual([]);
    expect(await listIds(browser, '?include=inactive')).toEqual([body.id]);
    // Repeating it changes nothing.
    expect((await browser.send('DELETE', `/api/keys/${body.id}`)).status).toBe(204);
    expect(await plane.redis.hget(redisKeyOf(body.key), 'version')).toBe('2');
  });

  it('leaves the list when it expires, and frees its place', async () => {
    const { browser, email, password } = await plane.signUp();
    const { body } = await browser.mint({ expiresInDays: 1 });
    plane.clockOffsetMs = DAY_MS;
    await browser.send('POST', '/api/auth/sign-in', { body: { email, password } });
    expect(await listIds(browser)).toEqual([]);
    const all = await browser.send<KeyList>('GET', '/api/keys?include=inactive');
    expect(all.body.data).toMatchObject([{ id: body.id, status: 'expired' }]);
    expect([(await browser.mint()).status, (await browser.mint()).status]).toEqual([201, 201]);
    plane.clockOffsetMs = 0;
  });
});

describe('the name of a key', () => {
  it.each(['', '  ', 'a\u0000b', 'line\nbreak', '\ud800', '\u200b', '\u202Ecod.exe', 'x'.repeat(101)])(
    'is refused as %j, pointing at it',
    async (name) => {
      const { browser } = await plane.signUp();
      const { status, body } = await browser.mint({ name });
      expect([status, body.code, body.errors?.[0]?.pointer]).toEqual([400, 'invalid_request', '/name']);
    },
  );

  it('may be in any script', async () => {
    const { browser } = await plane.signUp();
    const name = 'Schlüssel 鍵 👩‍💻';
    expect((await browser.mint({ name })).body.name).toBe(name);
  });
});

describe("the plan's ceilings (TL-2)", () => {
  it.each([
    [{ budgetUsd: '5.000000001' }, 'budget_above_plan', '/budgetUsd'],
    [{ rpm: 31 }, 'rpm_above_plan', '/rpm'],
    [{ models: ['gpt-4o'] }, 'model_not_in_plan', '/models'],
    [{ models: ['GPT-4o-mini'] }, 'unknown_model', '/models'],
    [{ budgetUsd: '0' }, 'budget_zero', '/budgetUsd'],
  ])('refuse %j by name', async (key, code, pointer) => {
    const { browser } = await plane.signUp();
    const { status, body } = await browser.mint(key);
    expect([status, body.code, body.errors?.[0]?.pointer]).toEqual([422, code, pointer]);
    expect(await listIds(browser, '?include=inactive')).toEqual([]);
  });

  it.each([
    { expiresInDays: 366 },
    { expiresInDays: 0 },
    { rpm: 0 },
    { rpm: 1.5 },
    { models: [] },
    { budgetUsd: '-1' },
    { budgetUsd: 5 },
    { name: ' ' },
    { surprise: 1 },
  ])('and the contract refuse %j', async (key) => {
    const { browser } = await plane.signUp();
    const { status, body } = await browser.mint(key);
    expect([status, body.code]).toEqual([400, 'invalid_request']);
  });

  it('hold under parallel mints', async () => {
    const { browser } = await plane.signUp();
    const answers = await Promise.all(Array.from({ length: PARALLEL_MINTS }, () => browser.mint()));
    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused).toHaveLength(PARALLEL_MINTS - 2);
    expect(new Set(refused.map(({ status, body }) => `${status} ${body.code}`))).toEqual(
      new Set(['409 plan_key_limit_reached']),
    );
    expect(await listIds(browser)).toHaveLength(2);
  });

  it('rise at once with the plan, and existing keys are cut to the plan when it falls', async () => {
    const { browser, me } = await plane.signUp();
    await setAccountPlan(plane.database.urls.owner, me.account.id, 'pro');
    const { body } = await browser.mint({ models: ['gpt-4o', 'gpt-4o-mini'], budgetUsd: '100', rpm: 300 });
    expect(body.models).toEqual(['gpt-4o', 'gpt-4o-mini']);
    const all = (await browser.mint()).body;
    expect(all.models).toEqual(['*']);
    await setAccountPlan(plane.database.urls.owner, me.account.id, 'free');
    const { accountTag } = parseKeyText(body.key) as { accountTag: string };
    const models = async (key: KeyCreated) =>
      (await plane.redis.hkeys(redisKeyOf(key.key))).filter((field) => field.startsWith('m:'));
    const version = (key: KeyCreated) => plane.redis.hget(redisKeyOf(key.key), 'version');
    await waitUntil(async () => (await version(body)) === '2' && (await version(all)) === '2', {
      what: 'the relay to carry the new plan',
    });
    expect([await models(body), await models(all)]).toEqual([['m:gpt-4o-mini'], ['m:gpt-4o-mini']]);
    expect(accountTag).toHaveLength(8);
  });
});

describe("another account's key (TL-1)", () => {
  it('cannot be seen, and cannot be told from one that does not exist', async () => {
    const [owner, stranger] = [await plane.signUp(), await plane.signUp()];
    const { body: key } = await owner.browser.mint();
    expect(await listIds(stranger.browser, '?include=inactive')).toEqual([]);
    const attempt = async (id: string) => {
      const { status, body } = await stranger.browser.send('DELETE', `/api/keys/${id}`);
      return { httpStatus: status, ...body, requestId: null };
    };
    expect(await attempt(key.id)).toEqual(await attempt(uuid7()));
    expect((await attempt(key.id)).status).toBe(404);
    expect(await plane.redis.hget(redisKeyOf(key.key), 'revoked')).toBe('0');
  });
});

describe('roles', () => {
  it.each([
    ['admin', 201],
    ['developer', 201],
    ['billing', 403],
    ['viewer', 403],
  ])('%s minting is answered %i', async (role, status) => {
    const { browser, me } = await plane.signUp();
    await plane.database.query('UPDATE control.memberships SET role = $2 WHERE user_id = $1', [me.user.id, role]);
    expect((await browser.mint()).status).toBe(status);
    expect((await browser.send('GET', '/api/keys')).status).toBe(200);
  });

  it('nobody may do anything without a session', async () => {
    for (const [method, path] of [
      ['GET', '/api/me'],
      ['GET', '/api/keys'],
      ['POST', '/api/keys'],
      ['DELETE', `/api/keys/${uuid7()}`],
      ['GET', '/api/activity'],
      ['GET', '/api/usage/summary'],
    ] as const) {
      expect((await plane.browser().send(method, path)).body.code).toBe('session_missing');
    }
  });
});

describe('the audit entry of a mint (TL-1)', () => {
  it('holds a key of any number of models: the first few, and how many', async () => {
    const models = Array.from({ length: 200 }, (_, n) => `model-${n}-${'x'.repeat(100)}`);
    await plane.database.query(
      `INSERT INTO control.plans SELECT (jsonb_populate_record(p, jsonb_build_object('id', 'vast', 'models', $1::jsonb))).*
       FROM control.plans p WHERE id = 'pro'`,
      [JSON.stringify(models)],
    );
    const { browser, me } = await plane.signUp();
    await setAccountPlan(plane.database.urls.owner, me.account.id, 'vast');
    expect((await browser.mint()).status).toBe(201);
    const [entry] = await plane.database.query(
      "SELECT details FROM control.audit_entries WHERE account_id = $1 AND action = 'key.minted'",
      [me.account.id],
    );
    expect(entry).toMatchObject({ details: { models: models.slice(0, 20), modelCount: 200 } });
  });
});

describe('with Redis down', () => {
  it('minting and revoking answer 503, and the relay delivers once it is back', async () => {
    const { browser } = await plane.signUp();
    const kept = (await browser.mint()).body;
    await plane.redisServer.server.kill();
    const minted = await browser.mint();
    expect([minted.status, minted.body.code, minted.headers.get('retry-after')]).toEqual([503, 'key_not_active_yet', '2']);
    const revoked = await browser.send('DELETE', `/api/keys/${kept.id}`);
    expect([revoked.status, revoked.body.code]).toEqual([503, 'key_not_active_yet']);
    // The rest works, and the key nobody saw takes up no place.
    expect(await listIds(browser)).toEqual([]);
    const pending = () => plane.database.query<{ key_id: string }>('SELECT key_id FROM control.key_projection_outbox');
    expect((await pending()).length).toBeGreaterThanOrEqual(2);
    await plane.redisServer.server.restart();
    await waitUntil(async () => (await pending()).length === 0, { what: 'the relay to empty the outbox' });
    await waitUntil(async () => (await plane.redis.hget(redisKeyOf(kept.key), 'revoked')) === '1', {
      what: 'the revocation in Redis',
    });
    expect((await browser.mint()).status).toBe(201);
  });

  it('a mint is undone though whoever asked for it was signed out meanwhile', async () => {
    const { browser, me } = await plane.signUp();
    const rows = () =>
      plane.database.query<{ revoked: boolean }>(
        'SELECT revoked_at IS NOT NULL AS revoked FROM control.keys WHERE account_id = $1',
        [me.account.id],
      );
    await plane.redisServer.server.kill();
    const minting = browser.mint();
    await waitUntil(async () => (await rows()).length === 1, { what: 'the key' });
    await plane.database.query('UPDATE control.sessions SET revoked_at = now() WHERE user_id = $1', [me.user.id]);
    const { status, body } = await minting;
    await plane.redisServer.server.restart();
    expect([status, body.code]).toEqual([503, 'key_not_active_yet']);
    expect(await rows()).toEqual([{ revoked: true }]);
    const [entry] = await plane.database.query(
      "SELECT actor_kind, actor_label FROM control.audit_entries WHERE account_id = $1 AND action = 'key.revoked'",
      [me.account.id],
    );
    expect(entry).toEqual({ actor_kind: 'system', actor_label: 'undoing a mint' });
  });
});
