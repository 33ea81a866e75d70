import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type AdmissionBench, callOf, keyAt, openAccount, openBench } from '../test/fixture.js';

const NOW = Date.parse('2026-11-21T10:00:00Z');
let bench: AdmissionBench;

beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

/** What "at most `limit` admissions in any 60 s" means, by counting: the instants admitted so far decide. */
function expectation(admittedAt: readonly number[], limit: number, now: number) {
  const within = (instant: number) => admittedAt.filter((at) => at > instant - 60_000).length;
  if (within(now) < limit) return { admitted: true, remaining: limit - within(now) - 1 };
  let retryAfterMs = 1;
  while (within(now + retryAfterMs) >= limit) retryAfterMs++;
  const newest = Math.max(...admittedAt);
  return { admitted: false, retryAfterMs, resetMs: newest + 60_000 - now };
}

describe('the rate limit', () => {
  it('is an exact rolling minute: it admits what a count admits, and says to the millisecond when to come back (TL-5)', async () => {
    const steps = fc.array(
      fc.record({
        waitMs: fc.oneof(fc.nat(3), fc.nat(20_000), fc.constantFrom(59_999, 60_000, 60_001)),
        limit: fc.integer({ min: 1, max: 6 }),
      }),
      {
        minLength: 1,
        maxLength: 25,
      },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        let now = NOW;
        await bench.setNow(now);
        const key = keyAt(now);
        await openAccount(bench, key);
        // The minute after an epoch opens is the rebuild's; what it adds is tested there.
        const admittedAt: number[] = [];
        for (const [version, { waitMs, limit }] of sequence.entries()) {
          now += waitMs;
          await bench.setNow(now);
          await bench.client.projectKey({ ...key, version: version + 2, rpm: limit });
          const expected = expectation(admittedAt, limit, now);
          const result = await bench.client.admit(callOf(key));
          if (expected.admitted) {
            expect(result).toMatchObject({ admitted: true, rpm: { limit, remaining: expected.remaining } });
            admittedAt.push(now);
          } else {
            expect(result).toMatchObject({
              reason: 'rate_limited',
              limit,
              retryAfterMs: expected.retryAfterMs,
              resetMs: expected.resetMs,
            });
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is not used up by refused calls, whatever refused them', async () => {
    await bench.setNow(NOW);
    const key = keyAt(NOW, { rpm: 2, budgetNanoUsd: '1000' });
    await openAccount(bench, key);
    for (let call = 0; call < 5; call++) {
      expect(await bench.client.admit(callOf(key, { holdNanoUsd: 2_000n }))).toMatchObject({ reason: 'budget_exceeded' });
      expect(await bench.client.admit(callOf(key, { model: 'other' }))).toMatchObject({ reason: 'model_not_allowed' });
    }
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 1n }))).toMatchObject({ rpm: { remaining: 1 } });
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 1n }))).toMatchObject({ rpm: { remaining: 0 } });
    for (let call = 0; call < 5; call++) {
      await bench.setNow(NOW + call * 1_000);
      expect(await bench.client.admit(callOf(key, { holdNanoUsd: 1n }))).toMatchObject({
        reason: 'rate_limited',
        retryAfterMs: 60_000 - call * 1_000,
      });
    }
    await bench.setNow(NOW + 60_000);
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 1n }))).toMatchObject({ admitted: true });
  });

  it('is used by a released call, because that call was admitted', async () => {
    await bench.setNow(NOW);
    const key = keyAt(NOW, { rpm: 1 });
    await openAccount(bench, key);
    const call = callOf(key);
    await bench.client.admit(call);
    await bench.client.release(key.accountTag, call.requestId);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ reason: 'rate_limited' });
  });

  it('lets exactly the limit through when 100 calls come at once', async () => {
    await bench.setNow(NOW);
    const key = keyAt(NOW, { rpm: 37 });
    await openAccount(bench, key);
    const results = await Promise.all(Array.from({ length: 100 }, () => bench.client.admit(callOf(key, { holdNanoUsd: 1n }))));
    expect(results.filter((result) => result.admitted)).toHaveLength(37);
  });
});
