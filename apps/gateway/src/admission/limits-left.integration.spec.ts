import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CLOCK_MARGIN_MS } from '@tensorloop/admission/clock-margin';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { BALANCE_SCOPE, dayScope } from '@tensorloop/contracts/settle-ack';
import { utcDay, WINDOW_MS } from '@tensorloop/kernel/budget-window';
import { formatUsd } from '@tensorloop/kernel/money';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture } from '../../test/gateway-fixture.js';
import type { TestKey } from '../../test/test-keys.js';
import { testModel } from '../../test/test-models.js';

const PROJECT = { id: uuid7(), name: 'Search', createdAtMs: 0 };
let fixture: GatewayFixture;
beforeAll(async () => {
  fixture = await GatewayFixture.start({
    models: (url) => [testModel('claude', url, { endpoints: ['messages'], deployment: { provider: 'anthropic' } })],
  });
});
afterAll(() => fixture?.stop());

async function addKey(changes: Partial<KeyProjection>): Promise<TestKey> {
  // Windows begin after the epoch of the key's account opened, so that nothing of them has to be asked of metering.
  const createdAtMs = Date.now() + 2 * CLOCK_MARGIN_MS;
  const project = changes.project && { project: { ...changes.project, createdAtMs } };
  const key = await fixture.addKey({ rpm: 9, mintedAtMs: createdAtMs, ...changes, ...project });
  await fixture.seedTotal(key, dayScope(utcDay(Date.now())));
  const balance = { scope: BALANCE_SCOPE, totalNanoUsd: '0', limitNanoUsd: '70000', version: 1 };
  await fixture.admission.seedTotals(key.projection.accountTag, [balance]);
  return key;
}

/** What the answer says of the requests and of the budget, as the key's status and its calls have it. */
function expectLeft(headers: Headers, { projection }: TestKey, made: { calls: number; spent: bigint; held: bigint }): void {
  const of = (name: string) => headers.get(name);
  expect({
    limit: of('x-ratelimit-limit-requests'),
    remaining: of('x-ratelimit-remaining-requests'),
    budget: of('x-tensorloop-budget-limit-usd'),
    spent: of('x-tensorloop-budget-spent-usd'),
    held: of('x-tensorloop-budget-held-usd'),
    reset: of('x-tensorloop-budget-reset'),
  }).toEqual({
    limit: String(projection.rpm),
    remaining: String(projection.rpm - made.calls),
    budget: formatUsd(BigInt(projection.budgetNanoUsd)),
    spent: formatUsd(made.spent),
    held: formatUsd(made.held),
    reset: new Date(projection.mintedAtMs + WINDOW_MS).toISOString(),
  });
  expect(of('x-ratelimit-reset-requests')).toMatch(made.calls === 0 ? /^0ms$/ : /^(\d+(\.\d+)?s|1m0s)$/);
}

async function codeOf(response: Response): Promise<string> {
  return ((await response.json()) as { error: { code: string } }).error.code;
}

describe('a refusal carries what is left (TL-4, TL-5)', () => {
  it.each<[what: string, code: string, changes: Partial<KeyProjection>]>([
    ['the budget', 'insufficient_quota', { budgetNanoUsd: '40000' }],
    ['the day', 'daily_limit_reached', { dailyLimitNanoUsd: '40000' }],
    ['the balance', 'insufficient_balance', { accountKind: 'prepaid' }],
    ["the project's budget", 'insufficient_quota', { project: { ...PROJECT, budgetNanoUsd: '40000' } }],
    ['the tokens', 'tokens_limit_exceeded', { tpm: 100 }],
  ])('by %s that one call alone is too much for: nothing is used up', async (_what, code, changes) => {
    const key = await addKey(changes);
    for (let asked = 0; asked < 2; asked++) {
      const refused = await fixture.chat(key, { max_tokens: 1_000 });
      expect(await codeOf(refused)).toBe(code);
      expectLeft(refused.headers, key, { calls: 0, spent: 0n, held: 0n });
      const left = (name: string) => refused.headers.get(`x-tensorloop-${name}-left-usd`);
      expect(left('daily')).toBe(changes.dailyLimitNanoUsd ? '0.00004' : null);
      expect(left('balance')).toBe(changes.accountKind === 'prepaid' ? '0.00007' : null);
      expect(left('project')).toBe(changes.project ? '0.00004' : null);
    }
  });

  it('after a call of a key whose requests are used up, what that cost is spent and nothing is held', async () => {
    const key = await addKey({ rpm: 1 });
    const served = await fixture.chat(key, {});
    expectLeft(served.headers, key, { calls: 1, spent: 0n, held: await holdOf(served) });
    const spent = BigInt((await fixture.eventOf(served.headers.get('x-request-id'))).chargeNanoUsd);
    await waitUntil(async () =>
      (await fixture.view.listOpen(key.projection.accountTag)).every(({ state }) => state === 'settled'),
    );
    const refused = await fixture.chat(key, {});
    expect(await codeOf(refused)).toBe('rate_limit_exceeded');
    expectLeft(refused.headers, key, { calls: 1, spent, held: 0n });
  });

  it.each<[what: string, told: [code: string, scope: string | null], changes: Partial<KeyProjection>]>([
    ['the calls in flight', ['parallel_limit_exceeded', null], { parallelMax: 1 }],
    ['the budget', ['budget_held', null], { budgetNanoUsd: '70000' }],
    ['the day', ['daily_limit_held', 'daily'], { dailyLimitNanoUsd: '70000' }],
    ['the balance', ['balance_held', 'balance'], { accountKind: 'prepaid' }],
    ["the project's budget", ['budget_held', 'project'], { project: { ...PROJECT, budgetNanoUsd: '70000' } }],
  ])('by %s while a call is in flight: what that holds', async (_what, [code, scope], changes) => {
    const key = await addKey(changes);
    const slow = fixture.chat(key, { max_tokens: 60, x_sim: { latencyMs: 500, completionTokens: 1 } });
    const open = await waitUntil(async () => (await fixture.view.listOpen(key.projection.accountTag))[0], { what: 'the hold' });
    const refused = await fixture.chat(key, { max_tokens: 60 });
    expect(await codeOf(refused)).toBe(code);
    expectLeft(refused.headers, key, { calls: 1, spent: 0n, held: open.holdNanoUsd });
    const rest = formatUsd(70_000n - open.holdNanoUsd);
    if (scope !== null) expect(refused.headers.get(`x-tensorloop-${scope}-left-usd`)).toBe(rest);
    const served = await slow;
    if (scope !== null) expect(served.headers.get(`x-tensorloop-${scope}-left-usd`)).toBe(rest);
  });
});

/** Answers that come without an admission: what is asked for, and the status that it has. */
const UNADMITTED: [what: string, status: number, ask: (key: TestKey) => Promise<Response>][] = [
  ['the list of models', 200, (key) => get('/models', key)],
  ['a model', 200, (key) => get('/models/gpt-4o-mini', key)],
  ['a model in the shape of Anthropic', 200, (key) => get('/models/gpt-4o-mini', key, { 'anthropic-version': '2023-06-01' })],
  ['a page of models that there is not', 400, (key) => get('/models?limit=0', key, { 'anthropic-version': '2023-06-01' })],
  ['a model that there is not', 404, (key) => get('/models/none', key)],
  ['the key itself', 200, (key) => get('/key', key)],
  ['no request', 404, (key) => get('/requests/none', key)],
  ['a request, while metering is away', 503, (key) => get(`/requests/${uuid7()}`, key)],
  ['a call that is no JSON', 400, (key) => fixture.post('/chat/completions', key, { body: 'hello' })],
  ['a call without messages', 400, (key) => fixture.post('/chat/completions', key, { body: '{"model":"gpt-4o-mini"}' })],
  ['a call with malformed tags', 400, (key) => postWith({ 'x-tensorloop-tags': 'x' }, key)],
  ['a call of no media type', 415, (key) => postWith({ 'content-type': 'text/plain' }, key)],
  ['a call for a model outside the allowlist', 403, (key) => fixture.chat(key, { model: 'gpt-4o' })],
  ['a call for a model that there is not', 403, (key) => fixture.chat(key, { model: 'none' })],
  ['a call that the model does not serve', 400, (key) => fixture.post('/images/generations', key, { body: IMAGE })],
  ['a count of tokens', 200, (key) => postWith({ 'anthropic-version': '2023-06-01' }, key, COUNT)],
  ['a count of nothing', 400, (key) => fixture.post('/messages/count_tokens', key, { body: '{}' })],
];
const EMPTY_CHAT = { path: '/chat/completions', body: '{}' };
const COUNT = {
  path: '/messages/count_tokens',
  body: JSON.stringify({ model: 'claude', messages: [{ role: 'user', content: 'hello' }] }),
};
const IMAGE = JSON.stringify({ model: 'gpt-4o-mini', prompt: 'a cat' });

function get(path: string, { text }: TestKey, more: Record<string, string> = {}): Promise<Response> {
  return fetch(`${fixture.url}/v1${path}`, { headers: { authorization: `Bearer ${text}`, ...more } });
}

function postWith(headers: Record<string, string>, { text }: TestKey, { path, body } = EMPTY_CHAT): Promise<Response> {
  const own = { authorization: `Bearer ${text}`, 'content-type': 'application/json' };
  return fetch(`${fixture.url}/v1${path}`, { method: 'POST', headers: { ...own, ...headers }, body });
}

describe('what is not admitted', () => {
  const models = ['gpt-4o-mini', 'claude'];

  it.each(UNADMITTED)('%s (%i) says what the key has left, and uses up nothing', async (_what, status, ask) => {
    const key = await addKey({ models, accountKind: 'prepaid', dailyLimitNanoUsd: '60000000' });
    const served = await fixture.chat(key, {});
    const spent = BigInt((await fixture.eventOf(served.headers.get('x-request-id'))).chargeNanoUsd);
    await waitUntil(async () =>
      (await fixture.view.listOpen(key.projection.accountTag)).every(({ state }) => state === 'settled'),
    );
    for (let asked = 0; asked < 2; asked++) {
      const response = await ask(key);
      expect(response.status).toBe(status);
      expect(response.headers.get('x-tensorloop-cost-usd')).toBe('0.00');
      expectLeft(response.headers, key, { calls: 1, spent, held: 0n });
      expect(response.headers.get('x-tensorloop-daily-left-usd')).toBe(formatUsd(60_000_000n - spent));
      expect(response.headers.get('x-tensorloop-balance-left-usd')).toBe(formatUsd(70_000n - spent));
    }
  });

  it.each(UNADMITTED)('%s (%i) tells a revoked key and an expired one nothing', async (_what, _status, ask) => {
    const limits = { dailyLimitNanoUsd: '60000000', project: { ...PROJECT, budgetNanoUsd: '70000' } };
    for (const ended of [{ isRevoked: true }, { expiresAtMs: Date.now() - 1 }]) {
      const { status, headers } = await ask(await addKey({ models, accountKind: 'prepaid', ...limits, ...ended }));
      expect(status).toBe(401);
      expect([...headers.keys()].filter((name) => /^x-(ratelimit|tensorloop)-/.test(name))).toEqual([]);
    }
  });

  it('says what is left of the requests where metering, being away, has not said what was spent', async () => {
    const key = await fixture.addKey({ rpm: 9, mintedAtMs: Date.now() - 1_000 });
    const { status, headers } = await get('/models', key);
    expect(status).toBe(200);
    expect(headers.get('x-ratelimit-remaining-requests')).toBe('9');
    expect([...headers.keys()].filter((name) => name.startsWith('x-tensorloop-'))).toEqual(['x-tensorloop-cost-usd']);
    const refused = await fixture.chat(key, {});
    expect([refused.status, refused.headers.get('x-ratelimit-remaining-requests')]).toEqual([503, '9']);
  });
});

describe('an error of the upstream', () => {
  it.each([false, true])('says that the call cost nothing, and what is left (stream: %j)', async (stream) => {
    const key = await addKey({});
    const response = await fixture.chat(key, { stream, x_sim: { fault: 'status', status: 400 } });
    expect(response.status).toBe(400);
    expect(response.headers.get('x-tensorloop-cost-usd')).toBe('0.00');
    expectLeft(response.headers, key, { calls: 1, spent: 0n, held: await holdOf(response) });
  });
});

async function holdOf(response: Response): Promise<bigint> {
  return BigInt((await fixture.eventOf(response.headers.get('x-request-id'))).holdNanoUsd);
}
