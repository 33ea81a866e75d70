import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestRedis, type TestServer } from '@tensorloop/testing/servers';
import { Redis } from 'ioredis';
import type { Counters, Entry } from './counters.types.js';
import { MemoryCounters, WINDOWS_MAX } from './memory-counters.js';
import { RedisCounters } from './redis-counters.js';
import { type Count, counterKey, LIMITS, longestWait } from './throttle.rules.js';

const NOW_MS = Date.parse('2026-11-21T00:00:00Z');
const LIMIT = 'failuresByAccount';
const { max, windowMs } = LIMITS[LIMIT];

let server: TestServer;
let redis: Redis;
beforeAll(async () => {
  server = await startTestRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

/** 0 = admitted. */
function waitOf(counts: readonly Count[], { isRefused, standings }: Entry): number {
  return isRefused ? (longestWait(counts, standings)?.waitMs ?? Number.NaN) : 0;
}

const KINDS: Record<string, () => Counters> = {
  'in Redis': () => new RedisCounters(redis),
  'in the process, while Redis is away': () => new MemoryCounters(),
};

describe.each(Object.keys(KINDS))('attempts counted %s (TL-1)', (kind) => {
  const counters = () => (KINDS[kind] as () => Counters)();
  const enter = async (all: Counters, counts: readonly Count[], nowMs: number) =>
    waitOf(counts, await all.enter(counts, nowMs));
  const account = (): Count => ({ limit: LIMIT, subject: randomUUID() });

  it('are refused after too many, until the window is over', async () => {
    const [all, one] = [counters(), account()];
    for (let count = 0; count < max; count++) expect(await enter(all, [one], NOW_MS)).toBe(0);
    expect(await enter(all, [one], NOW_MS)).toBe(windowMs);
    expect(await enter(all, [one], NOW_MS + windowMs - 1)).toBe(1);
    expect(await enter(all, [one], NOW_MS + windowMs)).toBe(0);
    expect(await enter(all, [account()], NOW_MS)).toBe(0);
  });

  it('sent at once are no more than those sent in turn', async () => {
    const [all, one] = [counters(), account()];
    const waits = await Promise.all(Array.from({ length: max * 3 }, () => enter(all, [one], NOW_MS)));
    expect(waits.filter((wait) => wait === 0)).toHaveLength(max);
  });

  it('are counted for all that they concern, or for none', async () => {
    const [all, full, other] = [counters(), account(), account()];
    for (let count = 0; count < max; count++) await enter(all, [full], NOW_MS);
    for (let count = 0; count < max; count++) expect(await enter(all, [full, other], NOW_MS)).toBe(windowMs);
    expect(await enter(all, [other], NOW_MS)).toBe(0);
  });

  it('can be taken back, but not below none, and forgotten', async () => {
    const [all, one] = [counters(), account()];
    await all.giveBack([one]);
    for (let count = 0; count < max; count++) await enter(all, [one], NOW_MS);
    await all.giveBack([one]);
    expect([await enter(all, [one], NOW_MS), await enter(all, [one], NOW_MS)]).toEqual([0, windowMs]);
    await all.clear([one]);
    expect(await enter(all, [one], NOW_MS)).toBe(0);
  });

  it('say what is left after each, and until when', async () => {
    const [all, one] = [counters(), account()];
    const first = await all.enter([one], NOW_MS);
    expect(first).toEqual({ isRefused: false, standings: [{ left: max - 1, endsInMs: windowMs }] });
    const second = await all.enter([one], NOW_MS + 1_000);
    expect(second.standings).toEqual([{ left: max - 2, endsInMs: windowMs - 1_000 }]);
    for (let count = 2; count < max; count++) await all.enter([one], NOW_MS);
    const full = await all.enter([one], NOW_MS + 1_000);
    expect(full).toEqual({ isRefused: true, standings: [{ left: 0, endsInMs: windowMs - 1_000 }] });
  });

  it('of a replica whose clock was ahead hold nobody up for longer than a window', async () => {
    const [all, one] = [counters(), account()];
    for (let count = 0; count < max; count++) await enter(all, [one], NOW_MS + 10 * windowMs);
    expect(await enter(all, [one], NOW_MS)).toBe(windowMs);
  });
});

it('what is counted in Redis names nobody and goes by itself', async () => {
  const count: Count = { limit: LIMIT, subject: 'somebody@example.com' };
  await new RedisCounters(redis).enter([count], NOW_MS);
  const keys = await redis.keys('tl:{credentials}:*');
  expect(keys).toContain(counterKey(count));
  expect(keys.join(' ')).not.toContain('somebody');
  expect(await redis.pttl(counterKey(count))).toBeGreaterThan(windowMs / 2);
});

it('the process remembers a bounded number of windows', async () => {
  const counters = new MemoryCounters();
  for (let count = 0; count < WINDOWS_MAX + 10; count++)
    await counters.enter([{ limit: LIMIT, subject: String(count) }], NOW_MS);
  expect(counters.size).toBe(WINDOWS_MAX);
});
