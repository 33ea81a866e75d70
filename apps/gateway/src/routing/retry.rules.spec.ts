import { describe, expect, it } from '@jest/globals';
import { COOLDOWN_MS_MAX, cooldownMs, isIll, isWorthAnother, isWorthAnotherAfter } from './retry.rules.js';

describe('another deployment', () => {
  it.each([401, 429, 500, 502, 503, 504, 529])('is asked after a %i', (status) => {
    expect(isWorthAnother(status)).toBe(true);
  });

  it.each([200, 201, 302, 400, 403, 404, 409, 413, 422, 501])('is not asked after a %i', (status) => {
    expect(isWorthAnother(status)).toBe(false);
  });

  it.each(['connect_refused', 'connect_timeout', 'head_timeout', 'protocol'] as const)('is asked after %s', (failure) => {
    expect(isWorthAnotherAfter(failure)).toBe(true);
  });

  it('is not asked when the gateway itself gave up', () => {
    expect(isWorthAnotherAfter('aborted')).toBe(false);
  });
});

it('being busy is no illness', () => {
  expect([429, 400, 200].some(isIll)).toBe(false);
  expect([500, 502, 503, 504, 529].every(isIll)).toBe(true);
});

describe('how long a deployment asked to be left alone', () => {
  const date = 'Sat, 21 Nov 2026 00:00:00 GMT';
  it.each([
    [429, { 'retry-after-ms': '1500', 'retry-after': '2' }, 1_500],
    [429, { 'retry-after': '2' }, 2_000],
    [503, { 'retry-after': '0.5' }, 500],
    [429, { date, 'retry-after': 'Sat, 21 Nov 2026 00:00:07 GMT' }, 7_000],
    [429, { date, 'retry-after': 'Sat, 21 Nov 2025 00:00:07 GMT' }, 0],
    [429, { 'retry-after': 'Sat, 21 Nov 2026 00:00:07 GMT' }, 0],
    [429, { 'retry-after': '86400' }, COOLDOWN_MS_MAX],
    [429, { 'retry-after': 'soon' }, 0],
    [429, { 'retry-after': '-5' }, 0],
    [429, {}, 0],
    [500, { 'retry-after': '2' }, 0],
    [200, { 'retry-after': '2' }, 0],
  ])('%i with %j is %i ms', (status, headers, ms) => {
    expect(cooldownMs(status, headers)).toBe(ms);
  });
});
