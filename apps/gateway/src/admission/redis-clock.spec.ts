import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { RedisClock } from './redis-clock.service.js';

const DAY_MS = 86_400_000;

afterEach(() => {
  jest.restoreAllMocks();
});

describe("the clock by which a gateway mints its calls' ids", () => {
  it('shows what Redis last said, and goes on from there', () => {
    const clock = new RedisClock();
    const redisNowMs = Date.now() - 3 * DAY_MS;
    clock.note(redisNowMs);
    const shownMs = clock.nowMs();
    expect(shownMs).toBeGreaterThanOrEqual(redisNowMs);
    expect(shownMs).toBeLessThan(redisNowMs + 10_000);
    expect(Number.isInteger(shownMs)).toBe(true);
  });

  it("is not moved by a jump of the machine's clock", () => {
    const clock = new RedisClock();
    const nowMs = Date.now();
    clock.note(nowMs);
    jest.spyOn(Date, 'now').mockReturnValue(nowMs + 3 * DAY_MS);
    expect(clock.nowMs()).toBeLessThan(nowMs + 10_000);
  });

  it('shows the time of the machine before Redis has said anything', () => {
    expect(Math.abs(new RedisClock().nowMs() - Date.now())).toBeLessThan(10_000);
  });
});
