import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { KeyDetail, KeyMinted, KeyMintOptions, KeyPage } from '@tensorloop/contracts/api/keys';
import { PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX } from '@tensorloop/contracts/api/pages';
import { KEY_USAGE_KEYS_MAX } from '@tensorloop/contracts/rpc';
import { setAccountPlan } from '@tensorloop/db/operator';
import { KEY_PATTERN, parseKeyText } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { PEPPER, startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';
import { MINTS_PER_HOUR_BEYOND_PLAN } from './keys.rules.js';

type Minted = KeyMinted & { key: string; code?: string };

const HOUR_MS = 3_600_000;
const FREE_KEYS_MAX = 2;

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

async function signUp(plan?: string) {
  const signedUp = await plane.signUp();
  if (plan !== undefined) await setAccountPlan(plane.database.urls.owner, signedUp.me.account.id, plan);
  return signedUp;
}

const mint = async (browser: TestBrowser, key: Record<string, unknown> = {}) =>
  (await browser.mint(key)) as unknown as { status: number; body: Minted };

const patch = (browser: TestBrowser, id: string, body: unknown) =>
  browser.send<KeyDetail & { code?: string; errors?: { pointer: string }[] }>('PATCH', `/api/keys/${id}`, { body });

function inRedis(keyText: string): Promise<Record<string, string>> {
  const hash = createHmac('sha256', PEPPER).update(keyText).digest('hex');
  return plane.redis.hgetall(`tl:{${parseKeyText(keyText)?.accountTag}}:key:${hash}`);
}

const auditOf = (accountId: string) =>
  plane.database.query<{ action: string; subject_id: string; details: Record<string, unknown> }>(
    'SELECT action, subject_id, details FROM control.audit_entries WHERE account_id = $1 ORDER BY sequence',
    [accountId],
  );

describe('the dialog for minting (TL-12)', () => {
  it('is told all that it shows in one answer, and what it offers can be minted', async () => {
    const { browser, me } = await signUp();
    const { body } = await browser.send<KeyMintOptions>('GET', '/api/keys/mint-options');
    expect(body).toMatchObject({
      plan: { id: 'free', name: 'Free' },
      models: { allowed: ['gpt-4o-mini'], default: ['gpt-4o-mini'] },
      budget: { maxUsd: '5.00', maxNanoUsd: '5000000000', defaultUsd: '5.00', windowDays: 30 },
      rpm: { max: 30, default: 30, accountMax: null },
      expiry: { defaultDays: 90, maxDays: 365 },
      keys: { active: 0, max: 2, refusal: null },
      owners: [{ userId: me.user.id, email: me.user.email }],
      projects: [],
    });
    const { budget, rpm, expiry, models } = body;
    const key = { models: models.allowed, budgetUsd: budget.maxUsd, rpm: rpm.max, expiresInDays: expiry.maxDays };
    expect((await mint(browser, key)).status).toBe(201);
    expect((await mint(browser)).status).toBe(201);
    const full = await browser.send<KeyMintOptions>('GET', '/api/keys/mint-options');
    expect(full.body.keys).toEqual({ active: 2, max: 2, refusal: 'plan_key_limit_reached' });
  });

  it('says what all keys of an account may ask for together, where the plan does (TS-7)', async () => {
    const { browser } = await signUp('developer');
    const { body } = await browser.send<KeyMintOptions>('GET', '/api/keys/mint-options');
    expect(body.rpm).toEqual({ max: 120, default: 120, accountMax: 600 });
    expect(body.models.default).toEqual(['*']);
    expect(body.models.allowed.length).toBeGreaterThan(1);
    const minted = await mint(browser, { models: body.models.default });
    expect([minted.status, minted.body.models, minted.body.inForce.models]).toEqual([201, ['*'], ['*']]);
  });

  it('takes "*" for every model where the plan has them all, and nowhere else (TL-2)', async () => {
    const [free, pro] = [await signUp(), await signUp('pro')];
    const refused = await free.browser.mint({ models: ['*'] });
    expect([refused.status, refused.body.code]).toEqual([422, 'model_not_in_plan']);
    const mixed = await pro.browser.mint({ models: ['*', 'gpt-4o-mini'] });
    expect([mixed.status, mixed.body.code, mixed.body.errors?.[0]?.pointer]).toEqual([400, 'invalid_request', '/models']);
  });

  it('says of an account that is disabled or being deleted what minting would be refused with', async () => {
    const { browser, me } = await signUp();
    await browser.send('DELETE', '/api/account');
    const refusal = async () => (await browser.send<KeyMintOptions>('GET', '/api/keys/mint-options')).body.keys.refusal;
    expect([await refusal(), (await browser.mint()).body.code]).toEqual(['account_not_active', 'account_not_active']);
    await browser.send('POST', '/api/account/restore');
    expect(await refusal()).toBeNull();
    await plane.database.query('UPDATE control.accounts SET disabled_at = now() WHERE id = $1', [me.account.id]);
    expect([await refusal(), (await browser.mint()).body.code]).toEqual(['account_not_active', 'account_not_active']);
  });
});

describe('a key', () => {
  it('carries its tags, and is owned by whoever minted it unless said otherwise', async () => {
    const { browser, me } = await signUp();
    const tags = { team: 'search', environment: 'production' };
    const { body } = await mint(browser, { tags });
    expect(body).toMatchObject({
      tags,
      owner: { userId: me.user.id, email: me.user.email },
      project: null,
      usageAvailable: true,
      spentUsd: '0.00',
      leftUsd: '5.00',
      heldNanoUsd: '0',
      lastUsedAt: null,
      lastUsedKnown: true,
      budgetExhausted: false,
      inForce: { models: ['gpt-4o-mini'], budgetUsd: '5.00', rpm: 30 },
    });
    expect(Date.parse(body.resetsAt) - Date.parse(body.createdAt)).toBe(30 * 24 * HOUR_MS);
    expect(JSON.parse((await inRedis(body.key)).tags as string)).toEqual(tags);
    const { body: read } = await browser.send<KeyDetail>('GET', `/api/keys/${body.id}`);
    expect(read).toMatchObject({ id: body.id, tags });
    expect(JSON.stringify(read)).not.toContain(body.key);
  });

  it('without metering is shown without what it has spent, and never fails for it', async () => {
    const { browser } = await signUp();
    const { body } = await mint(browser);
    const { status, body: page } = await browser.send<KeyPage>('GET', '/api/keys');
    expect(status).toBe(200);
    expect(page.data).toMatchObject([
      { id: body.id, usageAvailable: false, spentUsd: null, leftUsd: null, budgetExhausted: false },
    ]);
    expect(page.data[0]).toMatchObject({ lastUsedAt: null, lastUsedKnown: false, dataThrough: null });
  });

  it.each([
    [{ tags: { Team: 'x' } }, '/tags'],
    [{ tags: { team: '' } }, '/tags/team'],
    [{ tags: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`t${n}`, 'x'])) }, '/tags'],
    [{ ownerUserId: 'nobody' }, '/ownerUserId'],
  ])('with %j is refused, pointing at it', async (key, pointer) => {
    const { browser } = await signUp();
    const { status, body } = await browser.mint(key);
    expect([status, body.code]).toEqual([400, 'invalid_request']);
    expect(body.errors?.[0]?.pointer).toMatch(new RegExp(`^${pointer}`));
  });

  it("is owned by no stranger, and put into no stranger's project: they are as unknown as what does not exist", async () => {
    const [{ browser }, stranger] = [await signUp('pro'), await signUp('pro')];
    const { body: project } = await stranger.browser.send<{ id: string }>('POST', '/api/projects', {
      body: { name: 'theirs' },
    });
    const answer = async (method: string, path: string, body: unknown) => {
      const { status, body: problem } = await browser.send(method, path, { body });
      return [status, problem.code, problem.detail];
    };
    const { body: key } = await mint(browser);
    for (const fields of [{ projectId: project.id }, { ownerUserId: stranger.me.user.id }]) {
      const unknown = Object.fromEntries(Object.keys(fields).map((name) => [name, uuid7()]));
      const minted = await answer('POST', '/api/keys', { name: 'k', ...fields });
      expect(minted).toEqual(await answer('POST', '/api/keys', { name: 'k', ...unknown }));
      expect(minted[0]).toBe(422);
      expect(await answer('PATCH', `/api/keys/${key.id}`, fields)).toEqual(
        await answer('PATCH', `/api/keys/${key.id}`, unknown),
      );
    }
  });
});

describe('changing a key', () => {
  it('is in force at the next call when it is answered, lower or higher (TL-3)', async () => {
    const { browser } = await signUp('pro');
    const { body: key } = await mint(browser, { budgetUsd: '10', rpm: 100, tags: { team: 'a' } });
    const lowered = await patch(browser, key.id, { name: 'new', budgetUsd: '1', rpm: 5, tags: {} });
    expect(lowered.body).toMatchObject({
      name: 'new',
      budgetUsd: '1.00',
      rpm: 5,
      tags: {},
      inForce: { budgetUsd: '1.00', rpm: 5 },
    });
    expect(await inRedis(key.key)).toMatchObject({ version: '2', budget: '1000000000', rpm: '5' });
    expect(await inRedis(key.key)).not.toHaveProperty('tags');
    expect((await patch(browser, key.id, { budgetUsd: '100', rpm: 300 })).status).toBe(200);
    expect(await inRedis(key.key)).toMatchObject({ version: '3', budget: '100000000000', rpm: '300' });
  });

  it.each([
    [{ budgetUsd: '5.000000001' }, 'budget_above_plan', '/budgetUsd'],
    [{ budgetUsd: '0' }, 'budget_zero', '/budgetUsd'],
    [{ rpm: 31 }, 'rpm_above_plan', '/rpm'],
    [{ models: ['gpt-4o-mini'] }, 'fixed_at_mint', '/models'],
    [{ expiresInDays: 10 }, 'fixed_at_mint', '/expiresInDays'],
    [{ expiresAt: '2030-01-01T00:00:00Z' }, 'fixed_at_mint', '/expiresAt'],
  ])('to %j is refused by name, and changes nothing (TL-2, TL-3)', async (change, code, pointer) => {
    const { browser } = await signUp();
    const { body: key } = await mint(browser);
    const { status, body } = await patch(browser, key.id, { name: 'not this', ...change });
    expect([status, body.code, body.errors?.[0]?.pointer]).toEqual([422, code, pointer]);
    expect(await inRedis(key.key)).toMatchObject({ version: '1' });
  });

  it('is refused once it is revoked, and 404 where there is none', async () => {
    const { browser } = await signUp();
    const { body: key } = await mint(browser);
    await browser.send('DELETE', `/api/keys/${key.id}`);
    const { status, body } = await patch(browser, key.id, { name: 'late' });
    expect([status, body.code]).toEqual([409, 'key_not_active']);
    const other = await signUp();
    for (const id of [key.id, uuid7()]) {
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const options = method === 'PATCH' ? { body: { name: 'theirs' } } : {};
        const answer = await other.browser.send(method, `/api/keys/${id}`, options);
        expect([answer.status, answer.body.code]).toEqual([404, 'key_not_found']);
      }
    }
  });

  it('meant for a version that is not the latest any more is refused (If-Match), and one for the latest is made', async () => {
    const { browser } = await signUp();
    const { body: key } = await mint(browser);
    const seen = (await browser.send('GET', `/api/keys/${key.id}`)).headers.get('etag') as string;
    const change = (name: string) =>
      browser.send<KeyDetail>('PATCH', `/api/keys/${key.id}`, { body: { name }, headers: { 'if-match': seen } });
    expect((await change('first')).body).toMatchObject({ name: 'first', version: 2 });
    expect((await change('second')).status).toBe(412);
  });

  it('keeps its terms through a smaller plan, and has them back with a larger one (TL-2)', async () => {
    const { browser, me } = await signUp('pro');
    const { body: key } = await mint(browser, { budgetUsd: '100', rpm: 300 });
    await setAccountPlan(plane.database.urls.owner, me.account.id, 'free');
    await waitUntil(async () => (await inRedis(key.key)).version === '2', { what: 'the plan in Redis' });
    expect(await inRedis(key.key)).toMatchObject({ budget: '5000000000', rpm: '30', 'm:gpt-4o-mini': '1' });
    const { body } = await browser.send<KeyDetail>('GET', `/api/keys/${key.id}`);
    expect(body).toMatchObject({
      budgetUsd: '100.00',
      rpm: 300,
      inForce: { models: ['gpt-4o-mini'], budgetUsd: '5.00', rpm: 30 },
    });
    await setAccountPlan(plane.database.urls.owner, me.account.id, 'pro');
    await waitUntil(async () => (await inRedis(key.key)).budget === '100000000000', { what: 'the plan in Redis' });
  });

  it('is told to the audit log with what was and what is, as is minting and revoking', async () => {
    const { browser, me } = await signUp();
    const { body: key } = await mint(browser, { name: 'first' });
    await patch(browser, key.id, { name: 'second', rpm: 7 });
    await browser.send('DELETE', `/api/keys/${key.id}`);
    const entries = (await auditOf(me.account.id)).filter(({ subject_id }) => subject_id === key.id);
    expect(entries).toMatchObject([
      { action: 'key.minted', details: { name: 'first', rpm: 30 } },
      { action: 'key.changed', details: { before: { name: 'first', rpm: 30 }, after: { name: 'second', rpm: 7 } } },
      { action: 'key.revoked', details: { name: 'second' } },
    ]);
    expect(JSON.stringify(entries)).not.toContain(key.key);
  });
});

describe('the list of keys', () => {
  it('comes in pages, newest first, and each key once', async () => {
    const { browser } = await signUp('pro');
    const minted: string[] = [];
    for (let n = 0; n < 5; n++) minted.unshift((await mint(browser, { name: `k${n}` })).body.id);
    const seen: string[] = [];
    let query = '?limit=2';
    for (let page = 0; page < 3; page++) {
      const { body } = await browser.send<KeyPage>('GET', `/api/keys${query}`);
      seen.push(...body.data.map(({ id }) => id));
      expect(body.hasMore).toBe(page < 2);
      query = `?limit=2&cursor=${body.nextCursor}`;
    }
    expect(seen).toEqual(minted);
    const { status, body } = await browser.send('GET', '/api/keys?cursor=nonsense');
    expect([status, body.code]).toEqual([400, 'cursor_invalid']);
  });

  it('has as many on a page as may be asked for, more than metering is asked of at once', async () => {
    const { browser } = await signUp('pro');
    const { body: key } = await mint(browser);
    await plane.database.query(
      `INSERT INTO control.keys SELECT (jsonb_populate_record(k, jsonb_build_object('id', i, 'key_hash', encode(sha256(i::text::bytea), 'hex')))).*
       FROM control.keys AS k, unnest($2::uuid[]) AS i WHERE k.id = $1`,
      [key.id, Array.from({ length: KEY_USAGE_KEYS_MAX + 20 }, () => uuid7())],
    );
    const { body } = await browser.send<KeyPage>('GET', `/api/keys?limit=${PAGE_LIMIT_MAX}`);
    expect([body.data.length, body.hasMore]).toEqual([KEY_USAGE_KEYS_MAX + 21, false]);
    expect((await browser.send<KeyPage>('GET', '/api/keys')).body.data).toHaveLength(PAGE_LIMIT_DEFAULT);
  });

  it('can be narrowed to a tag and to a project', async () => {
    const { browser } = await signUp('pro');
    const { body: project } = await browser.send<{ id: string }>('POST', '/api/projects', { body: { name: 'p' } });
    const { body: one } = await mint(browser, { tags: { team: 'search', 'cost.center': '7' } });
    const { body: two } = await mint(browser, { tags: { team: 'ads' }, projectId: project.id });
    const ids = async (query: string) =>
      (await browser.send<KeyPage>('GET', `/api/keys?${query}`)).body.data.map(({ id }) => id);
    expect(await ids('tag=team%3Dsearch')).toEqual([one.id]);
    expect(await ids('tag=cost.center%3D7')).toEqual([one.id]);
    expect(await ids('tag=team%3Dnobody')).toEqual([]);
    expect(await ids(`projectId=${project.id}`)).toEqual([two.id]);
    expect(await ids(`projectId=${uuid7()}`)).toEqual([]);
    // The older name of the same.
    expect(await ids(`project=${project.id}`)).toEqual([two.id]);
    expect(await ids(`project=${uuid7()}`)).toEqual([]);
    expect(await ids(`project=${project.id}&projectId=${uuid7()}`)).toEqual([]);
    expect((await browser.send('GET', '/api/keys?tag=team')).status).toBe(400);
  });
});

describe('a mint that is repeated with its Idempotency-Key', () => {
  it('mints one key, and shows its text once (TL-3)', async () => {
    const { browser } = await signUp();
    const send = () =>
      browser.send<Minted>('POST', '/api/keys', { body: { name: 'once' }, headers: { 'idempotency-key': 'the same' } });
    const [first, again] = [await send(), await send()];
    expect(again.status).toBe(201);
    expect(again.body).toMatchObject({ id: first.body.id, key: null });
    expect(first.body.key).toMatch(KEY_PATTERN);
    expect((await browser.send<KeyPage>('GET', '/api/keys')).body.data).toHaveLength(1);
  });
});

describe('minting and revoking in turns', () => {
  it('is bounded per hour, whatever is active', async () => {
    const { browser, me } = await signUp();
    const { body: key } = await mint(browser);
    const bound = FREE_KEYS_MAX + MINTS_PER_HOUR_BEYOND_PLAN;
    // As if they had been minted and revoked one after the other.
    await plane.database.query(
      `INSERT INTO control.keys (account_id, id, key_hash, preview, name, models, budget_nano_usd, rpm, minted_at, expires_at, revoked_at, created_by)
       SELECT account_id, i, replace(i::text, '-', '') || replace(i::text, '-', ''), 'tl_…', 'turn', models, budget_nano_usd, rpm,
         minted_at + interval '1 ms', expires_at, minted_at + interval '2 ms', created_by
       FROM control.keys, unnest($2::uuid[]) AS i WHERE account_id = $1 AND id = $3`,
      [me.account.id, Array.from({ length: bound - 1 }, () => uuid7()), key.id],
    );
    const refused = await browser.mint();
    expect([refused.status, refused.body.code]).toEqual([429, 'too_many_mints']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(HOUR_MS / 1_000 - 60);
    const { body } = await browser.send<KeyMintOptions>('GET', '/api/keys/mint-options');
    expect(body.keys.refusal).toBe('too_many_mints');
    plane.clockOffsetMs = HOUR_MS;
    expect((await browser.mint()).status).toBe(201);
    plane.clockOffsetMs = 0;
  });
});
