import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import fc from 'fast-check';
import { type AdmissionBench, callOf, keyAt, openAccount, openBench } from '../test/fixture.js';
import { readKeyStatus } from './key-status.js';
import { keyPrefix, rateKey } from './redis-keys.js';

const NOW = Date.parse('2026-11-21T10:00:00Z');
/** As rate-log.lua has it. */
const BLOCK = 16;
const STATE_FIELDS = 1;
let bench: AdmissionBench;

beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

async function keyWith(rpm: number) {
  await bench.setNow(NOW);
  const key = keyAt(NOW, { rpm });
  await openAccount(bench, key);
  return key;
}

const admit = (key: ReturnType<typeof keyAt>) => bench.client.admit(callOf(key, { holdNanoUsd: 1n }));

describe('the log of a busy key', () => {
  it('counts exactly over bursts, pauses and limits that change, and keeps little more than what counts (TL-5)', async () => {
    const step = fc.record({
      waitMs: fc.oneof(fc.nat(40), fc.nat(4_000), fc.nat(61_000)),
      calls: fc.integer({ min: 1, max: 12 }),
      limit: fc.integer({ min: 1, max: 150 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 60, size: 'max' }), async (sequence) => {
        const key = await keyWith(1);
        const admittedAt: number[] = [];
        let now = NOW;
        for (const [version, { waitMs, calls, limit }] of sequence.entries()) {
          now += waitMs;
          await bench.setNow(now);
          await bench.client.projectKey({ ...key, version: version + 2, rpm: limit });
          const results = await Promise.all(Array.from({ length: calls }, () => admit(key)));
          for (const result of results) {
            const counted = admittedAt.filter((at) => at > now - 60_000);
            if (counted.length < limit) {
              expect(result).toMatchObject({ admitted: true, rpm: { remaining: limit - counted.length - 1 } });
              admittedAt.push(now);
            } else {
              const leaving = counted[counted.length - limit] as number;
              expect(result).toMatchObject({
                reason: 'rate_limited',
                retryAfterMs: leaving + 60_000 - now,
                resetMs: (counted.at(-1) as number) + 60_000 - now,
              });
            }
          }
          const used = admittedAt.filter((at) => at > now - 60_000);
          const status = await readKeyStatus(bench.redis, key, now);
          const nextLeaving = used.at(-Math.min(limit, used.length));
          expect(status.known && status.status.rpm).toEqual({
            ...{ limit, used: used.length },
            nextPlaceAtMs: used.length === 0 ? null : (nextLeaving as number) + 60_000,
          });
          // A refusal writes nothing, so what has left meanwhile stays until the next admission.
          if (!results.some(({ admitted }) => admitted)) continue;
          const stored = await bench.redis.hlen(rateKey(key.accountTag, key.keyId));
          expect(stored).toBeLessThanOrEqual(used.length + BLOCK + STATE_FIELDS);
        }
      }),
      // To look for a shorter sequence takes longer than the test may, and hides what failed behind its timeout.
      { numRuns: 15, endOnFailure: true },
    );
  });

  it('expires when nobody calls any more, and not while an entry counts', async () => {
    const key = await keyWith(5);
    await admit(key);
    const name = rateKey(key.accountTag, key.keyId);
    expect(await bench.redis.pttl(name)).toBeGreaterThan(60_000);
    await bench.redis.pexpire(name, 90_000);
    // Half a minute on it is told to stay again: before that, it would have stayed for long enough anyway.
    await bench.setNow(NOW + 30_000);
    await admit(key);
    expect(await bench.redis.pttl(name)).toBeGreaterThan(110_000);
  });
});

describe('a clock that was set back', () => {
  it('by a little lets entries stand as of the newest time there was', async () => {
    const key = await keyWith(2);
    await bench.setNow(NOW + 900);
    await admit(key);
    await bench.setNow(NOW);
    expect(await admit(key)).toMatchObject({ rpm: { remaining: 0 } });
    await bench.setNow(NOW + 60_500);
    expect(await admit(key)).toMatchObject({ reason: 'rate_limited', retryAfterMs: 400 });
    await bench.setNow(NOW + 60_900);
    expect(await admit(key)).toMatchObject({ rpm: { remaining: 1 } });
  });

  it('by an hour neither forgets what counts nor refuses for longer than a minute', async () => {
    const key = await keyWith(2);
    await bench.setNow(NOW + 3_600_000);
    await admit(key);
    await bench.setNow(NOW);
    expect(await admit(key)).toMatchObject({ rpm: { remaining: 0 } });
    for (const laterMs of [0, 59_999]) {
      await bench.setNow(NOW + laterMs);
      expect(await admit(key)).toMatchObject({ reason: 'rate_limited', retryAfterMs: 60_000 - laterMs });
    }
    await bench.setNow(NOW + 60_000);
    expect(await admit(key)).toMatchObject({ rpm: { remaining: 1 } });
  });
});

describe('the log that the release before kept', () => {
  it('still counts, for no longer than a minute', async () => {
    const key = await keyWith(3);
    const old = `${keyPrefix(key.accountTag)}rpm:${key.keyId}`;
    await bench.redis.zadd(old, NOW - 60_000, uuid7(), NOW - 59_999, uuid7(), NOW - 1, uuid7());
    expect(await admit(key)).toMatchObject({ rpm: { remaining: 0 } });
    expect(await admit(key)).toMatchObject({ reason: 'rate_limited' });
    await bench.setNow(NOW + 60_000);
    expect(await admit(key)).toMatchObject({ rpm: { remaining: 2 } });
  });
});
