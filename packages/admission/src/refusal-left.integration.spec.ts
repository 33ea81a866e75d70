import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { BALANCE_SCOPE, dayScope } from '@tensorloop/contracts/settle-ack';
import { utcDay, WINDOW_MS } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { type AdmissionBench, callOf, keyAt, openAccount, openBench, openKey } from '../test/fixture.js';

const NOW = Date.UTC(2026, 6, 1, 12);
const BUDGET_RESET_MS = WINDOW_MS - 5_000;
let bench: AdmissionBench;
beforeAll(async () => {
  bench = await openBench();
});
beforeEach(() => bench.setNow(NOW));
afterAll(() => bench?.close());

/** A call that holds 1,000 at NOW and another, refused one five seconds later. */
async function refusedAfterOne(key: KeyProjection, asks: Parameters<typeof callOf>[1]) {
  expect(await bench.client.admit(callOf(key, { holdNanoUsd: 1_000n, ...asks }))).toMatchObject({ admitted: true });
  await bench.setNow(NOW + 5_000);
  return bench.client.admit(callOf(key, { holdNanoUsd: 1_000n, ...asks }));
}

const none = { accountRpm: null, daily: null, balance: null, projectBudget: null };
const budget = (limitNanoUsd: bigint) => ({ limitNanoUsd, spentNanoUsd: 0n, heldNanoUsd: 1_000n });

describe('a refusal says what is left of every limit, and counts nothing', () => {
  it.each<[string, Partial<KeyProjection>, Parameters<typeof callOf>[1]]>([
    ['rate_limited', { rpm: 1 }, {}],
    ['parallel_limited', { rpm: 9, parallelMax: 1 }, {}],
    ['tokens_limited', { rpm: 9, tpm: 100 }, { tokens: { worst: 60, least: 60 } }],
    ['budget_held', { rpm: 9, budgetNanoUsd: '1500' }, {}],
  ])('%s (TL-4, TL-5)', async (reason, changes, asks) => {
    const key = await openKey(bench, changes);
    const rpm = { limit: key.rpm, remaining: key.rpm - 1, resetMs: 55_000 };
    const left = { ...none, rpm, budget: budget(BigInt(key.budgetNanoUsd)), budgetResetMs: BUDGET_RESET_MS };
    expect(await refusedAfterOne(key, asks)).toMatchObject({ reason, left });
    // Asking again finds the same: refusals use up nothing.
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 1_000n, ...asks }))).toMatchObject({ reason, left });
  });

  it('the day, the balance, the project and the whole account, where they are limited (TS-4, TS-7)', async () => {
    const project = { id: uuid7(), name: 'Search', createdAtMs: NOW, budgetNanoUsd: '9000' };
    const key = await openKey(bench, { rpm: 9, accountRpm: 5, dailyLimitNanoUsd: '1500', accountKind: 'prepaid', project });
    const zero = { totalNanoUsd: '0', version: 1 };
    const totals = [
      { scope: dayScope(utcDay(NOW)), ...zero },
      { scope: BALANCE_SCOPE, ...zero, limitNanoUsd: '7000' },
    ];
    await bench.client.seedTotals(key.accountTag, totals, NOW);
    expect(await refusedAfterOne(key, {})).toMatchObject({
      reason: 'daily_limit_held',
      left: {
        rpm: { limit: 9, remaining: 8, resetMs: 55_000 },
        accountRpm: { limit: 5, remaining: 4, resetMs: 55_000 },
        budget: budget(5_000_000_000n),
        budgetResetMs: BUDGET_RESET_MS,
        daily: budget(1_500n),
        balance: budget(7_000n),
        projectBudget: budget(9_000n),
      },
    });
  });

  it('by the model, and says as much of it as is known', async () => {
    const key = await openKey(bench, { rpm: 9 });
    const other = callOf(key, { model: 'other' });
    const left = { ...none, rpm: { limit: 9, remaining: 9, resetMs: 0 }, budgetResetMs: WINDOW_MS };
    const unspent = { limitNanoUsd: 5_000_000_000n, spentNanoUsd: 0n, heldNanoUsd: 0n };
    expect(await bench.client.admit(other)).toMatchObject({ reason: 'model_not_allowed', left: { ...left, budget: unspent } });
    const unknown = keyAt(NOW, { rpm: 9 });
    await openAccount(bench, unknown, NOW);
    const asked = [callOf(unknown, { model: 'other' }), callOf(unknown)];
    expect(await Promise.all(asked.map((call) => bench.client.admit(call)))).toMatchObject([
      { reason: 'model_not_allowed', left: { ...left, budget: null } },
      {
        reason: 'unknown_scope',
        left: { ...left, budget: null },
        scopes: [`window:${unknown.keyId}:0`, dayScope(utcDay(NOW))],
      },
    ]);
  });

  it('a rate without any call has nothing to wait for', async () => {
    const key = await openKey(bench, { budgetNanoUsd: '10' });
    expect(await bench.client.admit(callOf(key))).toMatchObject({
      reason: 'budget_exceeded',
      left: { rpm: { limit: 1_000, remaining: 1_000, resetMs: 0 } },
    });
  });
});

describe('where the limits of requests of a key and of its account are both full', () => {
  it('the wait is the longer one, to the millisecond (TL-5, TS-7)', async () => {
    const one = await openKey(bench, { rpm: 1, accountRpm: 2 });
    const two = { ...keyAt(NOW, { rpm: 2, accountRpm: 2 }), accountId: one.accountId, accountTag: one.accountTag };
    await bench.client.projectKey(two);
    const lowered = { ...two, version: 2, accountRpm: 1 };
    const ask = (key: KeyProjection) => bench.client.admit(callOf(key, { holdNanoUsd: 1n }));
    expect(await ask(one)).toMatchObject({ admitted: true });
    await bench.setNow(NOW + 20_000);
    expect(await ask(two)).toMatchObject({ admitted: true });
    // The key's own place is free at 60 s, and so is the account's.
    expect(await ask(one)).toMatchObject({ reason: 'rate_limited', retryAfterMs: 40_000 });
    await bench.client.projectKey(lowered);
    await bench.client.projectKey({ ...one, version: 2, accountRpm: 1 });
    // The account's limit was lowered: its place is free only when the second call has left as well.
    expect(await ask(one)).toMatchObject({ reason: 'rate_limited', limit: 1, retryAfterMs: 60_000 });
    await bench.setNow(NOW + 79_999);
    expect(await ask(one)).toMatchObject({ reason: 'account_rate_limited', retryAfterMs: 1 });
    await bench.setNow(NOW + 80_000);
    expect(await ask(one)).toMatchObject({ admitted: true });
  });
});
