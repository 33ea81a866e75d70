import { describe, expect, it } from '@jest/globals';
import { goDuration } from './limits-left.service.js';

describe('durations as Go prints them', () => {
  it.each([
    [0, '0ms'],
    [12, '12ms'],
    [999, '999ms'],
    [1_000, '1s'],
    [1_500, '1.5s'],
    [59_999, '59.999s'],
    [60_000, '1m0s'],
    [360_000, '6m0s'],
    [3_661_000, '1h1m1s'],
  ])('%i ms is %s', (milliseconds, text) => {
    expect(goDuration(milliseconds)).toBe(text);
  });
});
