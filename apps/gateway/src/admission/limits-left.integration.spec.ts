import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { BALANCE_SCOPE, dayScope } from '@tensorloop/contracts/settle-ack';
import { utcDay, WINDOW_MS } from '@tensorloop/kernel/budget-window';
import { formatUsd } from '@tensorloop/kernel/money';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture } from '../../test/gateway-fixture.js';
import type { TestKey } from '../../test/test-keys.js';

const MINTED_AT_MS = Date.now() + 120_000;
const PROJECT = { id: uuid7(), name: 'Search', createdAtMs: MINTED_AT_MS };
let fixture: GatewayFixture;
beforeAll(async () => {
  fixture = await GatewayFixture.start();
});
afterAll(() => fixture?.stop());

async function addKey(changes: Partial<KeyProjection>): Promise<TestKey> {
  const key = await fixture.addKey({ rpm: 9, mintedAtMs: MINTED_AT_MS, ...changes });
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
