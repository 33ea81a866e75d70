import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { dayScope, windowScope } from '@tensorloop/contracts/settle-ack';
import { DAY_MS, utcDay, WINDOW_MS } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { type AdmissionBench, callOf, keyAt, MODEL, openAccount, openBench, startOfDay } from '../test/fixture.js';
import type { Admission } from './admission.types.js';
import { CLOCK_MARGIN_MS } from './clock-margin.js';
import { openKey, projectionKey, scopeKey } from './redis-keys.js';

const NOW = Date.parse('2026-11-21T10:00:00.123Z');
let bench: AdmissionBench;

beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());
beforeEach(() => bench.setNow(NOW));

describe('an admitted call', () => {
  it('is told its window, its day, its hold and what is left', async () => {
    const key = keyAt(NOW, { rpm: 10 });
    await openAccount(bench, key);
    expect(await bench.client.admit(callOf(key))).toEqual({
      admitted: true,
      admittedAtMs: NOW,
      keyId: key.keyId,
      accountId: key.accountId,
      windowIndex: 0,
      windowStartMs: NOW,
      day: '2026-11-21',
      holdNanoUsd: 1_000_000n,
      rpm: { limit: 10, remaining: 9, resetMs: 60_000 },
      budget: { limitNanoUsd: 5_000_000_000n, spentNanoUsd: 0n, heldNanoUsd: 1_000_000n },
      daily: null,
      balance: null,
      tokens: null,
      parallel: null,
      accountRpm: null,
      project: null,
      tags: null,
    });
  });

  it('gets the same answer when its request id comes again, and holds once', async () => {
    const key = keyAt(NOW);
    await openAccount(bench, key);
    const call = callOf(key);
    const first = await bench.client.admit(call);
    await bench.setNow(NOW + 5_000);
    expect(await bench.client.admit(call)).toEqual(first);
    await bench.client.projectKey({ ...key, version: 2, isRevoked: true });
    expect(await bench.client.admit(call)).toEqual(first);
    const state = await bench.view.inspect(key.accountTag);
    expect(state.open).toHaveLength(1);
    expect(state.scopes.map((scope) => scope.heldNanoUsd)).toEqual([1_000_000n, 1_000_000n]);
  });

  it('falls into the 30-day window counted from the mint instant, to the millisecond (TL-4)', async () => {
    const key = keyAt(NOW, { expiresAtMs: NOW + 10 * WINDOW_MS });
    await openAccount(bench, key);
    await bench.setNow(NOW + WINDOW_MS - 1);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ windowIndex: 0 });
    await bench.setNow(NOW + WINDOW_MS);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ windowIndex: 1, windowStartMs: NOW + WINDOW_MS });
    await bench.setNow(NOW - 1);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ windowIndex: 0, windowStartMs: NOW });
  });

  it.each(['1970-01-02', '2000-02-29', '2026-12-31', '2027-01-01', '2028-02-29', '2100-03-01', '2399-12-31'])(
    'has the UTC day %s',
    async (day) => {
      const at = Date.parse(day) + DAY_MS - 1;
      await bench.setNow(at - DAY_MS);
      const key = keyAt(at - DAY_MS);
      await openAccount(bench, key);
      await bench.setNow(at);
      expect(await bench.client.admit(callOf(key))).toMatchObject({ admitted: true, day });
    },
  );
});

describe('who may call', () => {
  it('is unknown without a projection', async () => {
    const key = keyAt(NOW);
    await openAccount(bench, key);
    expect(await bench.client.admit(callOf({ ...key, keyHash: 'f'.repeat(64) }))).toEqual({
      admitted: false,
      reason: 'unknown_key',
      nowMs: NOW,
    });
  });

  it('excludes a revoked key at the very next admission', async () => {
    const key = keyAt(NOW);
    await openAccount(bench, key);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ admitted: true });
    await bench.client.projectKey({ ...key, version: 2, isRevoked: true });
    expect(await bench.client.admit(callOf(key))).toMatchObject({ admitted: false, reason: 'key_revoked' });
  });

  it('excludes a key from the instant it expires', async () => {
    const key = keyAt(NOW, { expiresAtMs: NOW + 1 });
    await openAccount(bench, key);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ admitted: true });
    await bench.setNow(NOW + 1);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ reason: 'key_expired' });
  });

  it('excludes models that are not on the allowlist, letter by letter', async () => {
    const key = keyAt(NOW, { models: ['gpt-4o-mini', 'a.b'] });
    await openAccount(bench, key);
    for (const model of ['gpt-4o', 'GPT-4o-mini', 'gpt-4o-min', 'axb', '*']) {
      expect(await bench.client.admit(callOf(key, { model }))).toMatchObject({ reason: 'model_not_allowed' });
    }
    expect(await bench.client.admit(callOf(key, { model: 'a.b' }))).toMatchObject({ admitted: true });
  });

  it('admits every model on "*", and one among a thousand', async () => {
    const wildcard = keyAt(NOW, { models: ['*'] });
    const thousand = keyAt(NOW, { models: Array.from({ length: 1_000 }, (_, index) => `vendor/model-${index}`) });
    for (const key of [wildcard, thousand]) await openAccount(bench, key);
    expect(await bench.client.admit(callOf(wildcard, { model: 'anything' }))).toMatchObject({ admitted: true });
    expect(await bench.client.admit(callOf(thousand, { model: 'vendor/model-999' }))).toMatchObject({ admitted: true });
    expect(await bench.client.admit(callOf(thousand, { model: 'vendor/model-1000' }))).toMatchObject({
      reason: 'model_not_allowed',
    });
    const found = await bench.client.findKey(thousand.accountTag, thousand.keyHash);
    expect(found.found && found.models.length).toBe(1_000);
  });

  it('is decided before the model, and the model before limits (TL-8)', async () => {
    const key = keyAt(NOW, { rpm: 1, budgetNanoUsd: '0' });
    await openAccount(bench, key);
    const call = callOf(key, { model: 'other' });
    expect(await bench.client.admit(call)).toMatchObject({ reason: 'model_not_allowed' });
    await bench.client.projectKey({ ...key, version: 2, isRevoked: true });
    expect(await bench.client.admit(call)).toMatchObject({ reason: 'key_revoked' });
  });
});

describe('a projection', () => {
  it('is never overwritten by an older one, and a newer one leaves nothing of it', async () => {
    const key = keyAt(NOW, { version: 5, models: ['a', 'b'] });
    await openAccount(bench, key);
    expect(await bench.client.projectKey({ ...key, version: 4, isRevoked: true })).toBe(5);
    expect(await bench.client.projectKey({ ...key, version: 5, isRevoked: true })).toBe(5);
    expect(await bench.client.findKey(key.accountTag, key.keyHash)).toMatchObject({ found: true });
    expect(await bench.client.projectKey({ ...key, version: 6, models: ['b'] })).toBe(6);
    expect(await bench.client.findKey(key.accountTag, key.keyHash)).toMatchObject({ found: true, models: ['b'] });
  });

  it('with an amount that a script cannot hold exactly is refused with a clear error', async () => {
    const key = keyAt(NOW, { budgetNanoUsd: '9007199254740992' });
    await expect(bench.client.projectKey(key)).rejects.toThrow('the budget is 9007199254740992 nano-USD');
    await expect(bench.client.admit(callOf(key, { holdNanoUsd: -1n }))).rejects.toThrow('the hold is -1 nano-USD');
  });
});

describe('what admission packed of a projection', () => {
  const packedOf = (key: ReturnType<typeof keyAt>) => bench.redis.hget(projectionKey(key.accountTag, key.keyHash), 'p');

  it('goes with it: the next call is judged by the newer one, whoever wrote it', async () => {
    const key = keyAt(NOW, { dailyLimitNanoUsd: '900000000', tpm: 1_000, parallelMax: 9 });
    await openAccount(bench, key, startOfDay(NOW) - CLOCK_MARGIN_MS - 1);
    expect(await packedOf(key)).toBe('');
    const first = await bench.client.admit(callOf(key));
    expect(await packedOf(key)).toContain(key.keyId);
    const second = await bench.client.admit(callOf(key));
    const about = {
      admitted: true,
      keyId: key.keyId,
      accountId: key.accountId,
      tokens: { limit: 1_000 },
      parallel: { limit: 9 },
    };
    for (const admission of [first, second]) expect(admission).toMatchObject(about);
    await bench.client.projectKey({ ...key, version: 2, isRevoked: true });
    expect(await packedOf(key)).toBe('');
    expect(await bench.client.admit(callOf(key))).toMatchObject({ reason: 'key_revoked' });
  });
});

describe('a day without a limit', () => {
  it('is listed with its end and a known total from its first call on, and holds what its calls hold', async () => {
    const key = keyAt(NOW);
    await openAccount(bench, key, startOfDay(NOW) - CLOCK_MARGIN_MS - 1);
    const other = { ...keyAt(NOW), accountTag: key.accountTag, accountId: key.accountId };
    await bench.client.projectKey(other);
    const calls = [callOf(key), callOf(other), callOf(key)];
    await Promise.all(calls.slice(0, 2).map((call) => bench.client.admit(call)));
    await bench.client.admit(calls[2] as (typeof calls)[0]);
    const day = dayScope(utcDay(NOW));
    const stateOfDay = async () => (await bench.view.inspect(key.accountTag)).scopes.find(({ scope }) => scope === day);
    expect(await stateOfDay()).toMatchObject({ totalNanoUsd: 0n, version: 0, heldNanoUsd: 3_000_000n });
    expect(await bench.redis.hget(scopeKey(key.accountTag, day), 'endMs')).toBe(String(startOfDay(NOW) + DAY_MS));
    for (const call of calls) await bench.client.settle(key.accountTag, call.requestId, 10n);
    expect(await stateOfDay()).toMatchObject({ heldNanoUsd: 0n, settledNanoUsd: 30n });
  });
});

describe('a price', () => {
  it('must apply at the instant of admission', async () => {
    const key = keyAt(NOW);
    await openAccount(bench, key);
    expect(await bench.client.admit(callOf(key, { priceFromMs: NOW + 1 }))).toMatchObject({
      reason: 'price_moved',
      nowMs: NOW,
    });
    expect(await bench.client.admit(callOf(key, { priceToMs: NOW }))).toMatchObject({ reason: 'price_moved', nowMs: NOW });
    expect(await bench.client.admit(callOf(key, { priceFromMs: NOW, priceToMs: NOW + 1 }))).toMatchObject({ admitted: true });
  });
});

describe('the budget', () => {
  it('grants what is left down to the least hold, and nothing below', async () => {
    const key = keyAt(NOW, { budgetNanoUsd: '1500' });
    await openAccount(bench, key);
    const clampable = () => callOf(key, { holdNanoUsd: 1_000n, holdMinNanoUsd: 400n });
    expect(await bench.client.admit(clampable())).toMatchObject({ holdNanoUsd: 1_000n });
    expect(await bench.client.admit(clampable())).toMatchObject({ holdNanoUsd: 500n });
    expect(await bench.client.admit(clampable())).toMatchObject({
      reason: 'budget_held',
      limit: { limitNanoUsd: 1_500n, spentNanoUsd: 0n, heldNanoUsd: 1_500n },
    });
  });

  it('is exceeded when what is spent leaves too little, held when only calls in flight do', async () => {
    const key = keyAt(NOW, { budgetNanoUsd: '1000' });
    await openAccount(bench, key);
    const first = callOf(key, { holdNanoUsd: 800n });
    await bench.client.admit(first);
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 300n }))).toMatchObject({ reason: 'budget_held' });
    await bench.client.settle(key.accountTag, first.requestId, 750n);
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 300n }))).toMatchObject({
      reason: 'budget_exceeded',
      limit: { spentNanoUsd: 750n, heldNanoUsd: 0n },
      resetMs: WINDOW_MS,
    });
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 250n }))).toMatchObject({ admitted: true });
  });

  it('is whole again in the next window (TL-4)', async () => {
    const key = keyAt(NOW, { budgetNanoUsd: '1000' });
    await openAccount(bench, key);
    await bench.client.admit(callOf(key, { holdNanoUsd: 1_000n }));
    await bench.setNow(NOW + WINDOW_MS);
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 1_000n }))).toMatchObject({ admitted: true });
  });

  it('lowered below what is spent admits nothing more', async () => {
    const key = keyAt(NOW, { budgetNanoUsd: '1000' });
    await openAccount(bench, key);
    await bench.client.admit(callOf(key, { holdNanoUsd: 900n }));
    await bench.client.projectKey({ ...key, version: 2, budgetNanoUsd: '500' });
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 1n }))).toMatchObject({ reason: 'budget_held' });
  });

  it('is never crossed by 200 calls at once on the last $0.01', async () => {
    const key = keyAt(NOW, { budgetNanoUsd: '10000000' });
    await openAccount(bench, key);
    const calls = Array.from({ length: 200 }, () => callOf(key, { holdNanoUsd: 300_000n, holdMinNanoUsd: 150_000n }));
    const results = await Promise.all(calls.map((call) => bench.client.admit(call)));
    const admitted = results.filter((result): result is Admission => result.admitted);
    const held = admitted.reduce((sum, result) => sum + result.holdNanoUsd, 0n);
    expect(held).toBe(9_900_000n);
    await Promise.all(calls.map((call) => bench.client.settle(key.accountTag, call.requestId, 300_000n)));
    expect((await bench.view.inspect(key.accountTag)).scopes).toEqual([
      expect.objectContaining({ heldNanoUsd: 0n, settledNanoUsd: 9_900_000n }),
      expect.objectContaining({ heldNanoUsd: 0n, settledNanoUsd: 9_900_000n }),
    ]);
  });
});

describe('the daily limit', () => {
  it('binds all keys of the account together, and ends with the UTC day', async () => {
    const first = keyAt(NOW, { dailyLimitNanoUsd: '1000' });
    const second = { ...keyAt(NOW, { dailyLimitNanoUsd: '1000' }), accountTag: first.accountTag, accountId: first.accountId };
    await openAccount(bench, first, startOfDay(NOW) - CLOCK_MARGIN_MS - 1);
    await bench.client.projectKey(second);
    const spender = callOf(first, { holdNanoUsd: 900n });
    expect(await bench.client.admit(spender)).toMatchObject({
      daily: { limitNanoUsd: 1_000n, spentNanoUsd: 0n, heldNanoUsd: 900n },
    });
    const untilMidnight = startOfDay(NOW) + DAY_MS - NOW;
    expect(await bench.client.admit(callOf(second, { holdNanoUsd: 200n }))).toMatchObject({
      reason: 'daily_limit_held',
      resetMs: untilMidnight,
    });
    await bench.client.settle(first.accountTag, spender.requestId, 900n);
    expect(await bench.client.admit(callOf(second, { holdNanoUsd: 200n }))).toMatchObject({ reason: 'daily_limit_reached' });
    expect(await bench.client.admit(callOf(second, { holdNanoUsd: 200n, holdMinNanoUsd: 50n }))).toMatchObject({
      holdNanoUsd: 100n,
    });
    await bench.setNow(startOfDay(NOW) + DAY_MS);
    expect(await bench.client.admit(callOf(second, { holdNanoUsd: 200n }))).toMatchObject({ admitted: true });
  });
});

describe('a total that this Redis cannot know', () => {
  it('stops admission until it was fetched, where the scope began before the epoch', async () => {
    const key = keyAt(NOW - DAY_MS, { dailyLimitNanoUsd: '5000', budgetNanoUsd: '5000' });
    await openAccount(bench, key, NOW);
    const window = windowScope(key.keyId, 0);
    const day = dayScope(utcDay(NOW));
    expect(await bench.client.admit(callOf(key))).toMatchObject({
      reason: 'unknown_scope',
      scopes: [window, day],
      accountId: key.accountId,
    });
    await bench.client.seedTotals(key.accountTag, [{ scope: window, totalNanoUsd: '4000', version: 7 }]);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ reason: 'unknown_scope', scopes: [day] });
    await bench.client.seedTotals(key.accountTag, [{ scope: day, totalNanoUsd: '0', version: 0 }]);
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 2_000n, holdMinNanoUsd: 1n }))).toMatchObject({
      holdNanoUsd: 1_000n,
      budget: { spentNanoUsd: 4_000n },
    });
  });

  it('is not asked for a day without a limit', async () => {
    const key = keyAt(NOW);
    await openAccount(bench, key);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ admitted: true });
  });

  it('is never replaced by an older answer, and a total beyond 2^53 blocks instead of wrapping', async () => {
    const key = keyAt(NOW);
    await openAccount(bench, key);
    const scope = windowScope(key.keyId, 0);
    expect(await bench.client.seedTotals(key.accountTag, [{ scope, totalNanoUsd: '4000', version: 7 }])).toBe(1);
    expect(await bench.client.seedTotals(key.accountTag, [{ scope, totalNanoUsd: '1', version: 6 }])).toBe(0);
    expect(await bench.client.seedTotals(key.accountTag, [{ scope, totalNanoUsd: '99999999999999999999', version: 8 }])).toBe(
      1,
    );
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 1n }))).toMatchObject({ reason: 'budget_exceeded' });
  });
});

describe('an account with 100,000 unacknowledged calls', () => {
  it('admits nothing until some are acknowledged', async () => {
    const key = keyAt(NOW);
    await openAccount(bench, key);
    const window = windowScope(key.keyId, 0);
    const ids = Array.from({ length: 100_000 }, () => uuid7());
    for (let first = 0; first < ids.length; first += 10_000) {
      const fields = ids.slice(first, first + 10_000).map((id) => [id, `s|0|${window}|day:2026-11-21|gateway-1|${NOW}|0`]);
      await bench.redis.hset(openKey(key.accountTag), Object.fromEntries(fields));
    }
    expect(await bench.client.admit(callOf(key))).toMatchObject({ reason: 'pending_full', left: { rpm: { limit: key.rpm } } });
    await bench.client.acknowledge({ accountTag: key.accountTag, requestIds: ids.slice(0, 1), totals: [] });
    expect(await bench.client.admit(callOf(key, { model: MODEL }))).toMatchObject({ admitted: true });
  });
});
