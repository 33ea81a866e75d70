import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { BALANCE_SCOPE, dayScope, type Scope, windowScope } from '@tensorloop/contracts/settle-ack';
import { utcDay, WINDOW_MS } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { type AdmissionBench, callOf, GATEWAY, keyAt, MODEL, openAccount, openBench, openKey } from '../test/fixture.js';
import { CLOCK_MARGIN_MS } from './clock-margin.js';
import { readKeyStatus } from './key-status.js';
import { keyPrefix, lostCallsKey } from './redis-keys.js';

const NOW = Date.UTC(2026, 6, 1, 12);
let bench: AdmissionBench;
beforeAll(async () => {
  bench = await openBench();
});
beforeEach(() => bench.setNow(NOW));
afterAll(() => bench?.close());

const zero = (scope: Scope) => ({ scope, totalNanoUsd: '0', version: 1 });
const find = (key: KeyProjection) => bench.client.findKey(key.accountTag, key.keyHash);

/** As the look-up has it, and the status; each with a place that gets free within a minute. */
async function expectUsed(key: KeyProjection, { calls, ofAccount, tokens }: Record<'calls' | 'ofAccount' | 'tokens', number>) {
  expect(await find(key)).toMatchObject({
    left: { rpm: { remaining: 10 - calls }, accountRpm: { remaining: 20 - ofAccount } },
  });
  const now = bench.now();
  const read = await readKeyStatus(bench.redis, key, now);
  if (!read.known) throw new Error(`unknown: ${read.scopes}`);
  const { rpm, accountRpm, tokens: tokenStatus } = read.status;
  for (const [status, used] of [
    [rpm, calls],
    [accountRpm, ofAccount],
    [tokenStatus, tokens],
  ] as const) {
    expect(status?.used).toBe(used);
    const waitMs = status?.nextPlaceAtMs == null ? null : status.nextPlaceAtMs - now;
    if (used === 0) expect(waitMs).toBeNull();
    else expect([waitMs, (waitMs ?? 0) > 0 && (waitMs ?? 0) <= 60_000]).toEqual([waitMs, true]);
  }
}

describe('a key that is looked up', () => {
  it('says what its limits leave, which is what the next call is told of them less itself (TL-4, TL-5)', async () => {
    const key = await openKey(bench, { rpm: 9 });
    const none = { accountRpm: null, daily: null, balance: null, projectBudget: null };
    expect(await find(key)).toEqual({
      found: true,
      nowMs: NOW,
      keyId: key.keyId,
      accountId: key.accountId,
      models: [MODEL],
      left: {
        ...none,
        rpm: { limit: 9, remaining: 9, resetMs: 0 },
        budget: { limitNanoUsd: 5_000_000_000n, spentNanoUsd: 0n, heldNanoUsd: 0n },
        budgetResetMs: WINDOW_MS,
      },
      unknownScopes: [],
    });
    const call = callOf(key, { holdNanoUsd: 1_000n });
    expect(await bench.client.admit(call)).toMatchObject({ admitted: true });
    await bench.setNow(NOW + 5_000);
    const expected = {
      ...none,
      rpm: { limit: 9, remaining: 8, resetMs: 55_000 },
      budget: { limitNanoUsd: 5_000_000_000n, spentNanoUsd: 0n, heldNanoUsd: 1_000n },
      budgetResetMs: WINDOW_MS - 5_000,
    };
    expect(await find(key)).toMatchObject({ left: expected });
    await bench.client.settle(key.accountTag, call.requestId, 700n);
    const spent = { limitNanoUsd: 5_000_000_000n, spentNanoUsd: 700n, heldNanoUsd: 0n };
    expect(await find(key)).toMatchObject({ left: { ...expected, budget: spent } });
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 1_000n }))).toMatchObject({
      rpm: { remaining: 7 },
      budget: { spentNanoUsd: 700n, heldNanoUsd: 1_000n },
    });
  });

  it('names the totals that Redis lacks, and says the rest; then, once it has them, all of it (TS-4, TS-7)', async () => {
    const project = { id: uuid7(), name: 'Search', createdAtMs: NOW, budgetNanoUsd: '9000' };
    const key = await openKey(bench, { accountRpm: 5, dailyLimitNanoUsd: '1500', accountKind: 'prepaid', project });
    const day = dayScope(utcDay(NOW));
    const found = await find(key);
    expect(found).toMatchObject({
      left: {
        accountRpm: { limit: 5, remaining: 5, resetMs: 0 },
        budget: { limitNanoUsd: 5_000_000_000n },
        daily: null,
        balance: null,
        projectBudget: { limitNanoUsd: 9_000n },
      },
      unknownScopes: [day, BALANCE_SCOPE],
    });
    const totals = [
      { scope: day, totalNanoUsd: '20', version: 1 },
      { scope: BALANCE_SCOPE, totalNanoUsd: '30', version: 1, limitNanoUsd: '7000' },
    ];
    await bench.client.seedTotals(key.accountTag, totals, found.nowMs);
    expect(await find(key)).toMatchObject({
      left: {
        daily: { limitNanoUsd: 1_500n, spentNanoUsd: 20n },
        balance: { limitNanoUsd: 7_000n, spentNanoUsd: 30n },
      },
      unknownScopes: [],
    });
  });

  it('whose budget is not known yet says what is left of its requests', async () => {
    const key = keyAt(NOW);
    await openAccount(bench, key, NOW - CLOCK_MARGIN_MS);
    expect(await find(key)).toMatchObject({
      left: { rpm: { limit: 1_000, remaining: 1_000 }, budget: null },
      unknownScopes: [windowScope(key.keyId, 0), dayScope(utcDay(NOW))],
    });
    // Its window began after the epoch opened, but not by as much as clocks may differ.
    expect(await readKeyStatus(bench.redis, key, NOW)).toEqual({ known: false, scopes: [windowScope(key.keyId, 0)] });
  });

  it('counts what gateways reported of the minute before Redis was lost, and its status says the same (TL-5)', async () => {
    const key = keyAt(NOW, { rpm: 10, accountRpm: 20, tpm: 100 });
    const { accountTag, keyId } = key;
    const rebuildId = (await bench.client.beginRebuild(accountTag, uuid7())) as string;
    const calls = {
      recentByKey: new Map([
        [keyId, 7],
        [uuid7(), 2],
      ]),
      recentTokensByKey: new Map([[keyId, 30]]),
    };
    await bench.client.reassert({ accountTag, rebuildId, gatewayId: GATEWAY, entries: [], ...calls });
    await bench.client.openEpoch({ accountTag, rebuildId, expectedGatewayIds: [GATEWAY] });
    await bench.client.projectKey(key);
    const totals = [windowScope(keyId, 0), dayScope(utcDay(NOW))].map(zero);
    await bench.client.seedTotals(accountTag, totals, NOW);
    await expectUsed(key, { calls: 7, ofAccount: 9, tokens: 30 });
    expect(await bench.client.admit(callOf(key, { tokens: { worst: 20, least: 20 } }))).toMatchObject({ admitted: true });
    await expectUsed(key, { calls: 8, ofAccount: 10, tokens: 50 });
    await bench.setNow(NOW + 60_000);
    await expectUsed(key, { calls: 0, ofAccount: 0, tokens: 0 });
  });

  // Calls that are logged leave after 30, 40 and 50 s.
  it.each([
    { rpm: 10, lost: 7, logged: 1, lostS: 20, placeS: 20 },
    { rpm: 10, lost: 7, logged: 1, lostS: 45, placeS: 30 },
    { rpm: 2, lost: 7, logged: 3, lostS: 20, placeS: 40 },
    { rpm: 2, lost: 7, logged: 3, lostS: 45, placeS: 45 },
    { rpm: 3, lost: 2, logged: 3, lostS: 55, placeS: 50 },
    { rpm: 1, lost: 0, logged: 3, lostS: 55, placeS: 50 },
  ])(
    'has a place more when enough calls have left, lost ones among them: %j (TL-5)',
    async ({ rpm, lost, logged, lostS, placeS }) => {
      const key = keyAt(NOW, { rpm: 1_000 });
      await openAccount(bench, key, NOW);
      await bench.client.seedTotals(key.accountTag, [windowScope(key.keyId, 0), dayScope(utcDay(NOW))].map(zero), NOW);
      for (let call = 0; call < logged; call++) {
        await bench.setNow(NOW + call * 10_000);
        expect(await bench.client.admit(callOf(key))).toMatchObject({ admitted: true });
      }
      await bench.client.projectKey({ ...key, version: 2, rpm });
      const now = NOW + 30_000;
      await bench.setNow(now);
      if (lost > 0) await bench.redis.hset(lostCallsKey(key.accountTag, key.keyId), { [GATEWAY]: lost });
      await bench.redis.pexpire(lostCallsKey(key.accountTag, key.keyId), lostS * 1_000);
      const read = await readKeyStatus(bench.redis, key, now);
      if (!read.known) throw new Error(`unknown: ${read.scopes}`);
      expect(read.status.rpm.used).toBe(lost + logged);
      // The lost ones leave by Redis's own clock, which goes on.
      expect(((read.status.rpm.nextPlaceAtMs ?? 0) - now) / 10_000).toBeCloseTo(placeS / 10, 0);
    },
  );

  it('is left as it is, and so is all else; what does not exist leaves no trace', async () => {
    const key = await openKey(bench, { accountKind: 'prepaid', accountRpm: 9 });
    await bench.client.seedTotals(key.accountTag, [
      { scope: BALANCE_SCOPE, totalNanoUsd: '0', version: 1, limitNanoUsd: '7000' },
    ]);
    const everything = async () => {
      const names = (await bench.redis.keys(`${keyPrefix(key.accountTag)}*`)).sort();
      return Promise.all(names.map(async (name) => [name, (await bench.redis.dumpBuffer(name))?.toString('hex')]));
    };
    const fresh = await everything();
    expect(await find(key)).toMatchObject({ found: true });
    expect(await everything()).toEqual(fresh);
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 1_000n }))).toMatchObject({ admitted: true });
    const used = await everything();
    expect(await find(key)).toMatchObject({ left: { rpm: { remaining: 999 } } });
    expect(await find({ ...key, keyHash: '0'.repeat(64) })).toEqual({ found: false, reason: 'unknown_key', nowMs: NOW });
    expect(await everything()).toEqual(used);
  });

  it.each([
    ['is out of memory', ['maxmemory', '1', '0'], 'OOM'],
    ['takes no writes', ['min-replicas-to-write', '1', '0'], 'NOREPLICAS'],
  ] as const)('is found although Redis %s', async (_what, [setting, value, usual], error) => {
    const key = await openKey(bench, {});
    await bench.redis.config('SET', setting, value);
    try {
      expect(await find(key)).toMatchObject({ found: true, left: { budget: { spentNanoUsd: 0n } } });
      await expect(bench.client.admit(callOf(key))).rejects.toThrow(error);
    } finally {
      await bench.redis.config('SET', setting, usual);
    }
  });

  it.each([
    ['key_revoked', { isRevoked: true }],
    ['key_expired', { expiresAtMs: NOW }],
  ] as [string, Partial<KeyProjection>][])('is refused as %s and told nothing', async (reason, changes) => {
    expect(await find(await openKey(bench, changes))).toEqual({ found: false, reason, nowMs: NOW });
  });
});
