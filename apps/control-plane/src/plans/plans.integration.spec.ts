import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Account } from '@tensorloop/contracts/api/accounts';
import type { Page } from '@tensorloop/contracts/api/pages';
import type { PlanChange, PlanOffer } from '@tensorloop/contracts/api/plans';
import type { Problem } from '@tensorloop/contracts/dashboard-api';
import { setAccountPlan } from '@tensorloop/db/operator';
import { parseKeyText } from '@tensorloop/kernel/key-text';
import { PEPPER, startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';

const PARALLEL = 10;

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

function choose(browser: TestBrowser, planId: string) {
  return browser.send<PlanChange & Problem>('PUT', '/api/account/plan', { body: { planId } });
}

function preview(browser: TestBrowser, planId: string) {
  return browser.send<PlanChange & Problem>('POST', '/api/account/plan/preview', { body: { planId } });
}

/** What gateways go by. */
async function inForce(keyText: string): Promise<Record<string, unknown>> {
  const hash = createHmac('sha256', PEPPER).update(keyText).digest('hex');
  const fields = await plane.redis.hgetall(`tl:{${parseKeyText(keyText)?.accountTag}}:key:${hash}`);
  const models = Object.keys(fields).flatMap((name) => (name.startsWith('m:') ? [name.slice(2)] : []));
  return { ...fields, models };
}

describe('a change of plan with If-Match (TL-2)', () => {
  const change = (browser: TestBrowser, planId: string, ifMatch: string) =>
    browser.send<PlanChange & Problem>('PUT', '/api/account/plan', { body: { planId }, headers: { 'if-match': ifMatch } });

  it('is made on what the caller saw, of the account or of the preview, and is refused when that has changed since', async () => {
    const { browser } = await plane.signUp();
    const account = await browser.send<Account>('GET', '/api/account');
    const tag = account.headers.get('etag') as string;
    const previewed = await preview(browser, 'developer');
    expect(previewed.body.version).toBe(account.body.version);
    await browser.send('PATCH', '/api/account', { body: { name: 'Renamed meanwhile' } });
    const late = await change(browser, 'developer', tag);
    expect([late.status, late.body.code]).toEqual([412, 'precondition_failed']);
    expect((await change(browser, 'developer', previewed.headers.get('etag') as string)).status).toBe(412);
    const again = await preview(browser, 'developer');
    const changed = await change(browser, 'developer', again.headers.get('etag') as string);
    expect([changed.status, changed.body.version]).toEqual([200, account.body.version + 2]);
    const { body } = await browser.send<Account>('GET', '/api/account');
    expect([body.planId, body.version]).toEqual(['developer', changed.body.version]);
  });

  it('may be repeated as it was, since the plan is what it asks for', async () => {
    const { browser } = await plane.signUp();
    expect((await change(browser, 'pro', '"1"')).status).toBe(200);
    expect((await change(browser, 'pro', '"1"')).status).toBe(200);
    expect((await change(browser, 'free', '"1"')).status).toBe(412);
  });
});

describe('the plans (TL-2, TS-7)', () => {
  it('are listed with ceilings, fees and allowances, the smallest first', async () => {
    const { browser } = await plane.signUp();
    const { body } = await browser.send<Page<PlanOffer>>('GET', '/api/plans');
    expect([body.hasMore, body.nextCursor]).toEqual([false, null]);
    expect(
      body.data.map((plan) => [plan.id, plan.keysMax, plan.budgetPerKeyUsdMax, plan.rpmPerKeyMax, plan.models.join()]),
    ).toEqual([
      ['free', 2, '5.00', 30, 'gpt-4o-mini'],
      ['developer', 5, '50.00', 120, '*'],
      ['pro', 10, '100.00', 300, '*'],
      ['enterprise', 1_000, '1000000.00', 10_000, '*'],
    ]);
    expect(body.data.map((plan) => [plan.feeUsd, plan.rpmPerAccountMax, plan.knowledgeBasesMax, plan.storageBytesMax])).toEqual(
      [
        ['0.00', null, 0, 0],
        ['29.00', 600, 5, 5_000_000_000],
        ['49.00', 3_000, 10, 10_000_000_000],
        [null, 10_000, null, null],
      ],
    );
    expect(body.data.filter(({ isCurrent }) => isCurrent).map(({ id }) => id)).toEqual(['free']);
    expect(body.data.filter(({ isSelectable }) => isSelectable).map(({ id }) => id)).toEqual(['developer', 'pro']);
  });

  it('by agreement cannot be chosen, and those offered to nobody do not exist', async () => {
    const { browser } = await plane.signUp();
    const refused = await Promise.all(['enterprise', 'internal', 'nothing'].map((planId) => choose(browser, planId)));
    expect(refused.map(({ status, body }) => [status, body.code])).toEqual([
      [422, 'plan_by_agreement'],
      [422, 'plan_unknown'],
      [422, 'plan_unknown'],
    ]);
  });
});

describe('a larger plan (TL-2)', () => {
  it('binds at once: keys are minted within its ceilings', async () => {
    const { browser } = await plane.signUp();
    expect((await browser.mint({ models: ['gpt-4o'] })).status).toBe(422);
    expect(await choose(browser, 'pro')).toMatchObject({ status: 200, body: { keysSurplus: 0, isReversible: true } });
    expect((await browser.mint({ models: ['gpt-4o'], budgetUsd: '100', rpm: 300 })).status).toBe(201);
  });
});

describe('a smaller plan (TL-2)', () => {
  it('is described beforehand, changes nothing until chosen, and is then in Redis for every key when the API answers', async () => {
    const { browser } = await plane.signUp();
    await choose(browser, 'pro');
    const keys = [];
    for (let i = 0; i < 3; i++) keys.push((await browser.mint({ name: `k${i}`, models: ['gpt-4o', 'gpt-4o-mini'] })).body);
    const said = await preview(browser, 'free');
    expect(said).toMatchObject({ status: 200, body: { keysActive: 3, keysSurplus: 1 } });
    expect(said.body.keys).toHaveLength(3);
    expect(said.body.keys[0]).toMatchObject({ name: 'k2', modelsRemoved: ['gpt-4o'], rpm: { from: 300, to: 30 } });
    expect(await inForce(keys[0]?.key as string)).toMatchObject({ rpm: '300', budget: '100000000000' });

    const done = await choose(browser, 'free');
    expect(done.body).toEqual({ ...said.body, version: said.body.version + 1 });
    for (const { key } of keys) {
      expect(await inForce(key)).toMatchObject({
        models: ['gpt-4o-mini'],
        rpm: '30',
        budget: '5000000000',
        revoked: '0',
        version: '2',
      });
    }
  });

  it('lets surplus keys live on, and minting stops until the count fits', async () => {
    const { browser } = await plane.signUp();
    await choose(browser, 'pro');
    const ids = [];
    for (let i = 0; i < 3; i++) ids.push((await browser.mint()).body.id);
    await choose(browser, 'free');
    expect((await browser.send<{ data: unknown[] }>('GET', '/api/keys')).body.data).toHaveLength(3);
    expect((await browser.mint()).body.code).toBe('plan_key_limit_reached');
    await browser.send('DELETE', `/api/keys/${ids[0]}`);
    expect((await browser.mint()).body.code).toBe('plan_key_limit_reached');
    await browser.send('DELETE', `/api/keys/${ids[1]}`);
    expect((await browser.mint()).status).toBe(201);
  });

  it('leaves a key without a model in place, with nothing that it may call', async () => {
    const { browser } = await plane.signUp();
    await choose(browser, 'pro');
    const { body } = await browser.mint({ models: ['gpt-4o'] });
    expect((await preview(browser, 'free')).body.keys[0]).toMatchObject({ hasNoModelLeft: true });
    await choose(browser, 'free');
    expect(await inForce(body.key)).toMatchObject({ models: [], revoked: '0' });
  });

  it('gives a key its own terms back when the account returns to the larger one', async () => {
    const { browser } = await plane.signUp();
    await choose(browser, 'pro');
    const { body } = await browser.mint({ models: ['gpt-4o'], budgetUsd: '80', rpm: 200 });
    await choose(browser, 'free');
    await choose(browser, 'developer');
    expect(await inForce(body.key)).toMatchObject({ models: ['gpt-4o'], budget: '50000000000', rpm: '120' });
    await choose(browser, 'pro');
    expect(await inForce(body.key)).toMatchObject({ models: ['gpt-4o'], budget: '80000000000', rpm: '200' });
  });
});

describe('changes of plan', () => {
  it('that race with mints never leave a key above what the plan allows (TL-2)', async () => {
    const { browser, me } = await plane.signUp();
    await setAccountPlan(plane.database.urls.owner, me.account.id, 'pro');
    const minted = Array.from({ length: PARALLEL }, () => browser.mint({ models: ['gpt-4o-mini'] }));
    const [changed, ...mints] = await Promise.all([choose(browser, 'free'), ...minted]);
    expect(changed.status).toBe(200);
    const keys = mints.filter(({ status }) => status === 201).map(({ body }) => body.key);
    // Those before the change keep living; after it none above its number was minted.
    expect(changed.body.keysActive + Math.max(0, 2 - changed.body.keysActive)).toBeGreaterThanOrEqual(keys.length);
    for (const key of keys) expect(await inForce(key)).toMatchObject({ rpm: '30', budget: '5000000000' });
  });

  it('are saved while Redis is away, answered with 503, and in force once the repetition succeeds', async () => {
    const { browser } = await plane.signUp();
    const { body } = await browser.mint();
    await plane.redisServer.server.kill();
    const refused = await choose(browser, 'pro');
    expect([refused.status, refused.body.code]).toEqual([503, 'plan_not_in_force_yet']);
    expect(refused.headers.get('retry-after')).toBe('2');
    await plane.redisServer.server.restart();
    expect((await choose(browser, 'pro')).status).toBe(200);
    expect(await inForce(body.key)).toMatchObject({ version: '2' });
  });

  it('are in the audit log, once, and a repetition changes nothing', async () => {
    const { browser, me } = await plane.signUp();
    await choose(browser, 'pro');
    await choose(browser, 'pro');
    const entries = await plane.database.query<{ action: string; details: unknown }>(
      "SELECT action, details FROM control.audit_entries WHERE account_id = $1 AND action = 'account.plan_changed'",
      [me.account.id],
    );
    expect(entries).toEqual([
      { action: 'account.plan_changed', details: { from: 'free', to: 'pro', keysActive: 0, keysSurplus: 0, keysCut: 0 } },
    ]);
  });
});
