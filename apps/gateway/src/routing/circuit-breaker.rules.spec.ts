import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  CircuitBreaker,
  CONSECUTIVE_FAILURES_MAX,
  OPEN_MS,
  PROBES_MAX,
  RATIO_CALLS_MIN,
  RATIO_WINDOW_MS,
} from './circuit-breaker.rules.js';

function fail(breaker: CircuitBreaker, times: number, nowMs: number): void {
  for (let call = 0; call < times; call += 1) breaker.end(breaker.begin(nowMs), 'failed', nowMs);
}

function opened(): CircuitBreaker {
  const breaker = new CircuitBreaker();
  fail(breaker, CONSECUTIVE_FAILURES_MAX, 0);
  return breaker;
}

describe('a circuit', () => {
  it('opens at the bound of consecutive failures and not before, and says so once', () => {
    let openings = 0;
    const breaker = new CircuitBreaker(() => {
      openings += 1;
    });
    fail(breaker, CONSECUTIVE_FAILURES_MAX - 1, 0);
    expect(breaker.stateAt(0)).toBe('closed');
    fail(breaker, 1, 0);
    expect(breaker.stateAt(0)).toBe('open');
    expect(breaker.isPassable(0)).toBe(false);
    expect(breaker.waitMs(1_000)).toBe(OPEN_MS - 1_000);
    expect(openings).toBe(1);
  });

  it('stays closed while a success comes in between and failures are fewer than half', () => {
    const breaker = new CircuitBreaker();
    for (let round = 0; round < 100; round += 1) {
      fail(breaker, 1, round);
      breaker.end(breaker.begin(round), 'worked', round);
      breaker.end(breaker.begin(round), 'worked', round);
    }
    expect(breaker.stateAt(100)).toBe('closed');
  });

  it('opens when half of enough calls failed', () => {
    const breaker = new CircuitBreaker();
    for (let call = 0; call < RATIO_CALLS_MIN; call += 1)
      breaker.end(breaker.begin(call), call % 2 === 0 ? 'worked' : 'failed', call);
    expect(breaker.stateAt(RATIO_CALLS_MIN)).toBe('open');
  });

  it('forgets what is older than its window', () => {
    const breaker = new CircuitBreaker();
    fail(breaker, CONSECUTIVE_FAILURES_MAX - 1, 0);
    breaker.end(breaker.begin(0), 'worked', 0);
    const laterMs = 2 * RATIO_WINDOW_MS;
    for (let call = 0; call < RATIO_CALLS_MIN; call += 1)
      breaker.end(breaker.begin(laterMs), call % 3 === 0 ? 'failed' : 'worked', laterMs);
    fail(breaker, 1, laterMs);
    expect(breaker.stateAt(laterMs)).toBe('closed');
  });

  it('lets so many calls through as probes after its time, and closes when one works', () => {
    const breaker = opened();
    expect(breaker.stateAt(OPEN_MS)).toBe('half_open');
    const passes = Array.from({ length: PROBES_MAX }, () => breaker.begin(OPEN_MS));
    expect(breaker.isPassable(OPEN_MS)).toBe(false);
    breaker.end(passes[0] as number, 'worked', OPEN_MS + 1);
    expect(breaker.stateAt(OPEN_MS + 1)).toBe('closed');
    expect(breaker.isPassable(OPEN_MS + 1)).toBe(true);
  });

  it('opens again for its whole time when a probe fails', () => {
    const breaker = opened();
    breaker.end(breaker.begin(OPEN_MS), 'failed', OPEN_MS + 50);
    expect(breaker.stateAt(2 * OPEN_MS + 49)).toBe('open');
    expect(breaker.stateAt(2 * OPEN_MS + 50)).toBe('half_open');
  });

  it('tries another probe when one ended without telling anything', () => {
    const breaker = opened();
    breaker.end(breaker.begin(OPEN_MS), 'unknown', OPEN_MS);
    expect(breaker.stateAt(OPEN_MS)).toBe('half_open');
    expect(breaker.isPassable(OPEN_MS)).toBe(true);
  });

  it('is not closed by calls from before it opened', () => {
    const breaker = new CircuitBreaker();
    const early = breaker.begin(0);
    fail(breaker, CONSECUTIVE_FAILURES_MAX, 0);
    breaker.end(early, 'worked', OPEN_MS);
    expect(breaker.stateAt(OPEN_MS - 1)).toBe('open');
  });

  it('never stays shut for good, nor lets more than its probes through while it is not closed', () => {
    const step = fc.record({
      waitMs: fc.nat(2 * OPEN_MS),
      result: fc.constantFrom('worked' as const, 'failed' as const, 'unknown' as const),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const breaker = new CircuitBreaker();
        let nowMs = 0;
        for (const { waitMs, result } of steps) {
          nowMs += waitMs;
          if (!breaker.isPassable(nowMs)) continue;
          const isProbe = breaker.stateAt(nowMs) === 'half_open';
          const pass = breaker.begin(nowMs);
          if (isProbe) expect(breaker.isPassable(nowMs)).toBe(false);
          breaker.end(pass, result, nowMs);
        }
        expect(breaker.isPassable(nowMs + OPEN_MS)).toBe(true);
      }),
    );
  });
});
