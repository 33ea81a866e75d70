import { expect, it } from '@jest/globals';
import { distribution } from './percentiles.js';

it('percentiles are values that were measured, by nearest rank', () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(distribution(values)).toEqual({ count: 100, p50: 50, p90: 90, p99: 99, max: 100 });
  expect(distribution([7])).toEqual({ count: 1, p50: 7, p90: 7, p99: 7, max: 7 });
});

it('nothing measured is said and not called zero', () => {
  expect(distribution([])).toEqual({ count: 0, p50: null, p90: null, p99: null, max: null });
});
