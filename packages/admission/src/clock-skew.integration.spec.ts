import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { dayScope, windowScope } from '@tensorloop/contracts/settle-ack';
import { WINDOW_MS } from '@tensorloop/kernel/budget-window';
import { type AdmissionBench, callOf, keyAt, openAccount, openBench, startOfDay } from '../test/fixture.js';
import { CLOCK_MARGIN_MS } from './clock-margin.js';

/** What machines' clocks may differ by; more than a machine with any kind of time synchronisation shows. */
const SKEW_MS = 5_000;
const NOW = Date.parse('2026-11-21T10:00:00Z');

let bench: AdmissionBench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());
beforeEach(() => bench.setNow(NOW));

/** Redis is lost and the account's epoch opens anew, `atMs` by Redis's clock; nothing was pending. */
async function loseRedis(key: KeyProjection, atMs: number): Promise<void> {
  await bench.redis.flushall();
  await bench.setNow(atMs);
  await openAccount(bench, key, atMs);
}

describe('a control plane whose clock is ahead of Redis', () => {
  it('cannot make a window of the time before Redis was lost look as if it began after: its total is asked for', async () => {
    // Minted at NOW by Redis's clock, and used and paid for before Redis was lost two seconds later.
    const key = keyAt(NOW + SKEW_MS);
    await loseRedis(key, NOW + 2_000);
    for (const laterMs of [1, SKEW_MS, WINDOW_MS / 2]) {
      await bench.setNow(NOW + 2_000 + laterMs);
      expect(await bench.client.admit(callOf(key))).toMatchObject({
        reason: 'unknown_scope',
        scopes: expect.arrayContaining([windowScope(key.keyId, 0)]),
      });
    }
  });

  it('mints keys that work before they are minted by Redis’s clock, in their first window', async () => {
    const key = keyAt(NOW + SKEW_MS);
    await openAccount(bench, key, NOW - CLOCK_MARGIN_MS);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ windowIndex: 0, windowStartMs: NOW + SKEW_MS });
  });
});

describe('a Redis that takes over with a clock behind the one it replaces', () => {
  it('does not take a day that the other had begun to be new', async () => {
    const midnight = startOfDay(NOW);
    const key = keyAt(midnight - 3_600_000, { dailyLimitNanoUsd: '10000000' });
    // The lost Redis had admitted in the new day already, four seconds past midnight by its own clock.
    await loseRedis(key, midnight - 1_000);
    await bench.setNow(midnight + 1);
    expect(await bench.client.admit(callOf(key))).toMatchObject({
      reason: 'unknown_scope',
      scopes: expect.arrayContaining([dayScope('2026-11-21')]),
    });
  });
});

describe('a window that began after the epoch opened', () => {
  it('by more than clocks can differ is known to be empty, without asking metering', async () => {
    const key = keyAt(NOW);
    await openAccount(bench, key, NOW - CLOCK_MARGIN_MS - 1);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ admitted: true });
  });

  it('by less is asked for once, and admitted with the answer', async () => {
    const key = keyAt(NOW);
    await openAccount(bench, key, NOW - CLOCK_MARGIN_MS);
    const refusal = await bench.client.admit(callOf(key));
    if (refusal.admitted || refusal.reason !== 'unknown_scope') throw new Error('expected unknown_scope');
    await bench.client.seedTotals(
      key.accountTag,
      refusal.scopes.map((scope) => ({ scope, totalNanoUsd: '0', version: 0 })),
      refusal.nowMs,
    );
    expect(await bench.client.admit(callOf(key))).toMatchObject({ admitted: true });
  });
});
