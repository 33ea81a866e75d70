import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LATENCY_BOUNDS_MS, LATENCY_BUCKETS, latencyBucket, latencyPercentile } from './latency-histogram.js';

const ERROR_MAX = 0.0911;
const latencies = fc.array(fc.double({ min: 8, max: 370_000, noNaN: true }), { minLength: 1, maxLength: 200 });

function count(values: readonly number[]): number[] {
  const counts = Array.from({ length: LATENCY_BUCKETS }, () => 0);
  for (const value of values) counts[latencyBucket(value)] = (counts[latencyBucket(value)] as number) + 1;
  return counts;
}

describe('latency histograms', () => {
  it('answer percentiles within 9.1 % of the true ones, of any mixture of latencies', () => {
    fc.assert(
      fc.property(latencies, fc.constantFrom(0.5, 0.95, 0.99), (values, share) => {
        const sorted = values.toSorted((a, b) => a - b);
        const truth = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] as number;
        const answer = latencyPercentile(count(values), share) as number;
        expect(Math.abs(answer - truth) / truth).toBeLessThanOrEqual(ERROR_MAX);
      }),
    );
  });

  it('have bounds that rise, and a bucket for every latency', () => {
    expect(LATENCY_BOUNDS_MS[0]).toBe(8);
    expect(LATENCY_BOUNDS_MS.toSorted((a, b) => a - b)).toEqual(LATENCY_BOUNDS_MS);
    expect([0, 7.999, 8, 1e9].map(latencyBucket)).toEqual([0, 0, 1, LATENCY_BUCKETS - 1]);
  });

  it('answer the outermost bounds for what lies beyond them, and nothing for no calls', () => {
    expect(latencyPercentile(count([0.1]), 0.5)).toBe(8);
    expect(latencyPercentile(count([1e9]), 0.5)).toBe(LATENCY_BOUNDS_MS.at(-1));
    expect(latencyPercentile(count([]), 0.5)).toBeNull();
  });
});
