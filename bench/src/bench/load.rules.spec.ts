import { describe, expect, it } from '@jest/globals';
import { loadResultOf } from './load.rules.js';

const COUNTS = { answers: 1_000, refused: 0, late: 0, broken: 0, seconds: 2, p50Ms: 1, p99Ms: 5 };

describe('the result of a load', () => {
  it('is every answer when all were served', () => {
    expect(loadResultOf(COUNTS)).toEqual({ calls: 1_000, callsPerSecond: 500, p50Ms: 1, p99Ms: 5, failures: 0 });
  });

  it('counts refusals and late answers as failures and not as calls served', () => {
    expect(loadResultOf({ ...COUNTS, refused: 100, late: 20 })).toMatchObject({
      calls: 880,
      callsPerSecond: 440,
      failures: 120,
    });
  });

  it('takes calls without an answer for failures, not out of those that were answered', () => {
    expect(loadResultOf({ ...COUNTS, broken: 7 })).toMatchObject({ calls: 1_000, failures: 7 });
  });

  it('is no throughput at all when everything was refused, some of it late', () => {
    expect(loadResultOf({ ...COUNTS, refused: 1_000, late: 5 })).toMatchObject({ calls: 0, callsPerSecond: 0 });
  });
});
