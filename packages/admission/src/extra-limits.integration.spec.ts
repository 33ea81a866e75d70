import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { BALANCE_SCOPE } from '@tensorloop/contracts/settle-ack';
import { DAY_MS, WINDOW_MS } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import fc from 'fast-check';
import { type AdmissionBench, callOf, keyAt, openAccount, openBench } from '../test/fixture.js';
import { CLOCK_MARGIN_MS } from './clock-margin.js';
import { keysKey, openKey, projectionKey } from './redis-keys.js';

const NOW = Date.parse('2026-11-21T10:00:00Z');
let bench: AdmissionBench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());
beforeEach(() => bench.setNow(NOW));

async function account(changes: Partial<KeyProjection>): Promise<KeyProjection> {
  const key = keyAt(NOW, changes);
  await openAccount(bench, key);
  return key;
}

const balance = (total: number, limit: number, version: number) => ({
  scope: BALANCE_SCOPE,
  totalNanoUsd: String(total),
  limitNanoUsd: String(limit),
  version,
});

describe('a prepaid account', () => {
  it('is unknown until metering has said what it was granted and has spent; nothing granted is nothing to spend (TS-4)', async () => {
    const key = await account({ accountKind: 'prepaid' });
    expect(await bench.client.admit(callOf(key))).toMatchObject({
      reason: 'unknown_scope',
      scopes: expect.arrayContaining([BALANCE_SCOPE]),
    });
    await bench.client.seedTotals(key.accountTag, [balance(0, 0, 0)], NOW);
    expect(await bench.client.admit(callOf(key))).toMatchObject({
      reason: 'insufficient_balance',
      limit: { limitNanoUsd: 0n, spentNanoUsd: 0n, heldNanoUsd: 0n },
      resetMs: 0,
    });
  });

  it('spends to the last nano-dollar of its grants and not further; a grant of a newer version lets it go on', async () => {
    const key = await account({ accountKind: 'prepaid' });
    await bench.client.seedTotals(key.accountTag, [balance(400, 1_000, 3)], NOW);
    const call = callOf(key, { holdNanoUsd: 2_000n, holdMinNanoUsd: 10n });
    expect(await bench.client.admit(call)).toMatchObject({
      admitted: true,
      holdNanoUsd: 600n,
      balance: { limitNanoUsd: 1_000n, spentNanoUsd: 400n, heldNanoUsd: 600n },
    });
    const next = callOf(key, { holdNanoUsd: 100n });
    expect(await bench.client.admit(next)).toMatchObject({ reason: 'balance_held' });
    await bench.client.settle(key.accountTag, call.requestId, 550n);
    expect(await bench.client.admit(next)).toMatchObject({ reason: 'insufficient_balance' });
    expect(await bench.client.seedTotals(key.accountTag, [balance(400, 9_999, 3)], NOW)).toBe(0);
    expect(await bench.client.seedTotals(key.accountTag, [balance(400, 1_050, 4)], NOW)).toBe(1);
    expect(await bench.client.admit(next)).toMatchObject({ admitted: true });
    const acknowledged = { accountTag: key.accountTag, requestIds: [call.requestId], totals: [balance(950, 2_050, 5)] };
    await bench.client.acknowledge(acknowledged);
    expect((await bench.view.inspect(key.accountTag)).scopes).toContainEqual(
      expect.objectContaining({ scope: BALANCE_SCOPE, totalNanoUsd: 950n, limitNanoUsd: 2_050n, heldNanoUsd: 100n }),
    );
  });

  it('settles calls that the release before admitted without a balance', async () => {
    const key = await account({ accountKind: 'metered' });
    const [settled, released, acknowledged] = [callOf(key), callOf(key), callOf(key)];
    for (const call of [settled, released, acknowledged]) await bench.client.admit(call);
    for (const value of await bench.redis.hvals(openKey(key.accountTag))) expect(value.split('|')).toHaveLength(7);
    await bench.client.projectKey({ ...key, version: 2, accountKind: 'prepaid', parallelMax: 1, tpm: 1 });
    expect(
      await bench.client.settleWithTokens(key.accountTag, settled.requestId, { amountNanoUsd: 1n, tokens: 5 }),
    ).toMatchObject({
      outcome: 'settled',
    });
    expect(await bench.client.release(key.accountTag, released.requestId)).toMatchObject({ outcome: 'released' });
    const ids = [settled.requestId, acknowledged.requestId];
    expect(await bench.client.acknowledge({ accountTag: key.accountTag, requestIds: ids, totals: [] })).toBe(2);
    const { scopes, open } = await bench.view.inspect(key.accountTag);
    expect(open).toEqual([]);
    expect(scopes.map((scope) => scope.scope)).not.toContain(BALANCE_SCOPE);
    for (const scope of scopes) expect(scope).toMatchObject({ heldNanoUsd: 0n, settledNanoUsd: 0n, callsInFlight: 0 });
  });
});

describe('the cap on calls in flight', () => {
  it('lets exactly so many through when 100 come at once, and one more for each that ends', async () => {
    const key = await account({ parallelMax: 7 });
    const calls = Array.from({ length: 100 }, () => callOf(key, { holdNanoUsd: 1n }));
    const results = await Promise.all(calls.map((call) => bench.client.admit(call)));
    const admitted = calls.filter((_, index) => results[index]?.admitted === true);
    expect(admitted).toHaveLength(7);
    expect(results.find((result) => !result.admitted)).toMatchObject({ reason: 'parallel_limited', limit: 7, inFlight: 7 });
    const [settled, released, acknowledged] = admitted.map((call) => call.requestId) as [string, string, string];
    await bench.client.settle(key.accountTag, settled, 1n);
    await bench.client.settle(key.accountTag, settled, 1n);
    await bench.client.release(key.accountTag, released);
    await bench.client.acknowledge({ accountTag: key.accountTag, requestIds: [acknowledged, settled], totals: [] });
    await bench.client.seedTotals(
      key.accountTag,
      (await unknownScopes(key)).map((scope) => ({ scope, totalNanoUsd: '1', version: 1 })),
    );
    for (const inFlight of [5, 6, 7]) {
      expect(await bench.client.admit(callOf(key, { holdNanoUsd: 1n }))).toMatchObject({ parallel: { limit: 7, inFlight } });
    }
    expect(await bench.client.admit(callOf(key))).toMatchObject({ reason: 'parallel_limited' });
  });

  it('counts calls that were admitted in the budget window before', async () => {
    const key = await account({ parallelMax: 1 });
    const call = callOf(key);
    await bench.client.admit(call);
    await bench.setNow(NOW + WINDOW_MS);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ reason: 'parallel_limited', inFlight: 1 });
    await bench.client.settle(key.accountTag, call.requestId, 1n);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ admitted: true });
  });
});

async function unknownScopes(key: KeyProjection) {
  return (await bench.view.inspect(key.accountTag)).scopes.flatMap(({ scope, totalNanoUsd }) =>
    totalNanoUsd === null ? [scope] : [],
  );
}

interface Counted {
  id: string;
  at: number;
  tokens: number;
}

/** The token limit by counting: what was admitted decides, each call with the tokens it counts now. */
function expected(log: readonly Counted[], call: { limit: number; asked: number; now: number }) {
  const used = (at: number) => log.filter((entry) => entry.at > at - 60_000).reduce((sum, entry) => sum + entry.tokens, 0);
  const { limit, asked, now } = call;
  if (used(now) + asked <= limit)
    return { admitted: true, tokens: { limit, remaining: limit - used(now) - asked, counted: asked } };
  if (asked > limit) return { reason: 'tokens_limited', limit, asked, retryAfterMs: null };
  let retryAfterMs = 1;
  while (used(now + retryAfterMs) + asked > limit) retryAfterMs++;
  return { reason: 'tokens_limited', limit, used: used(now), asked, retryAfterMs };
}

describe('the token limit', () => {
  it('is an exact rolling minute over what calls used, or may use while they run; refused calls use nothing', async () => {
    const step = fc.record({
      waitMs: fc.oneof(fc.nat(3), fc.nat(20_000), fc.constantFrom(59_999, 60_000, 60_001)),
      limit: fc.integer({ min: 1, max: 60 }),
      asked: fc.nat(70),
      ending: fc.constantFrom('settle', 'release', 'none', 'forget'),
      used: fc.nat(80),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (sequence) => {
        let now = NOW;
        await bench.setNow(now);
        const key = await account({});
        const log: Counted[] = [];
        for (const [version, { waitMs, limit, asked, ending, used }] of sequence.entries()) {
          now += waitMs;
          await bench.setNow(now);
          await bench.client.projectKey({ ...key, version: version + 2, tpm: limit });
          const call = callOf(key, { holdNanoUsd: 1n, tokens: { worst: asked, least: asked } });
          const result = await bench.client.admit(call);
          expect(result).toMatchObject(expected(log, { limit, asked, now }));
          if (result.admitted) log.push({ id: call.requestId, at: now, tokens: asked });
          await end(key, log[used % Math.max(1, log.length)], { ending, used });
        }
      }),
      { numRuns: 80 },
    );
  });

  /** Ends a call of the past, perhaps long after the minute in which it counted. Only its first end changes anything. */
  async function end(key: KeyProjection, call: Counted | undefined, { ending, used }: { ending: string; used: number }) {
    if (call === undefined) return;
    if (ending === 'settle') {
      const { outcome } = await bench.client.settleWithTokens(key.accountTag, call.id, { amountNanoUsd: 1n, tokens: used });
      if (outcome === 'settled') call.tokens = used;
    } else if (ending === 'release') {
      if ((await bench.client.release(key.accountTag, call.id)).outcome === 'released') call.tokens = 0;
    } else if (ending === 'forget') {
      await bench.client.settle(key.accountTag, call.id, 0n);
    }
  }

  it('counts a call whose output can be cut as the whole limit at most', async () => {
    const key = await account({ tpm: 100 });
    const call = callOf(key, { tokens: { worst: 16_000, least: 40 } });
    expect(await bench.client.admit(call)).toMatchObject({ tokens: { limit: 100, remaining: 0, counted: 100 } });
    await bench.client.settleWithTokens(key.accountTag, call.requestId, { amountNanoUsd: 1n, tokens: 55 });
    const next = { tokens: { worst: 45, least: 45 } };
    expect(await bench.client.admit(callOf(key, next))).toMatchObject({ tokens: { remaining: 0, counted: 45 } });
    expect(await bench.client.admit(callOf(key, { tokens: { worst: 300, least: 101 } }))).toMatchObject({ retryAfterMs: null });
  });

  it('is not exceeded in the minute after Redis was lost', async () => {
    const key = keyAt(NOW + CLOCK_MARGIN_MS + 1, { tpm: 1_000 });
    const rebuildId = (await bench.client.beginRebuild(key.accountTag, uuid7())) as string;
    await bench.client.reassert({
      accountTag: key.accountTag,
      rebuildId,
      gatewayId: 'gateway-1',
      entries: [],
      recentByKey: new Map([[key.keyId, 2]]),
      recentTokensByKey: new Map([[key.keyId, 900]]),
    });
    await bench.client.openEpoch({ accountTag: key.accountTag, rebuildId, expectedGatewayIds: ['gateway-1'] });
    await bench.client.projectKey(key);
    const call = (worst: number) => callOf(key, { tokens: { worst, least: worst } });
    const refused = await bench.client.admit(call(101));
    expect(refused).toMatchObject({ reason: 'tokens_limited', used: 900, retryAfterMs: expect.any(Number) });
    expect(await bench.client.admit(call(100))).toMatchObject({ tokens: { remaining: 0 } });
    await bench.setNow(NOW + 60_000);
    expect(await bench.client.admit(call(1_000))).toMatchObject({ admitted: true });
  });
});

describe('a key that can be used no more', () => {
  it('is forgotten a day after it was revoked or expired, so that minting and revoking cannot fill Redis', async () => {
    const key = await account({ expiresAtMs: NOW + 5 * DAY_MS });
    const name = projectionKey(key.accountTag, key.keyHash);
    const ttlDays = async () => Math.ceil((await bench.redis.pttl(name)) / DAY_MS);
    expect(await ttlDays()).toBe(6);
    await bench.client.projectKey({ ...key, version: 2, isRevoked: true });
    expect(await ttlDays()).toBe(1);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ reason: 'key_revoked' });
    await bench.setNow(NOW + 9 * DAY_MS);
    await bench.client.projectKey({ ...key, version: 3 });
    expect(await ttlDays()).toBe(1);
  });

  it('leaves the index of keys as well', async () => {
    const { accountTag } = await account({});
    for (let round = 0; round < 60; round++) {
      const key = keyAt(NOW, { accountTag, isRevoked: true });
      await bench.client.projectKey(key);
      await bench.redis.del(projectionKey(accountTag, key.keyHash));
    }
    expect(await bench.redis.scard(keysKey(accountTag))).toBeLessThan(20);
  });
});
