import { describe, expect, it } from '@jest/globals';
import type { PriceVersion } from '@tensorloop/contracts/price-book';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { pricedDimensions, priceVersionAt, scaledRate } from './price-version.js';

function version(model: string, effectiveFromMs: number, effectiveToMs: number | null): PriceVersion {
  return { id: uuid7(), model, effectiveFromMs, effectiveToMs, rates: { output: '0.60', input: '0.15' } };
}

describe('priceVersionAt', () => {
  const [first, second, other] = [version('a', 1_000, 2_000), version('a', 2_000, null), version('b', 0, null)];
  const prices = [other, second, first];

  it('takes the version whose interval [from, to) contains the instant', () => {
    expect(priceVersionAt(prices, 'a', 1_000)).toBe(first);
    expect(priceVersionAt(prices, 'a', 1_999)).toBe(first);
    expect(priceVersionAt(prices, 'a', 2_000)).toBe(second);
    expect(priceVersionAt(prices, 'a', Number.MAX_SAFE_INTEGER)).toBe(second);
  });

  it('has no price for a model before its first version, nor for a model it does not know', () => {
    expect(priceVersionAt(prices, 'a', 999)).toBeNull();
    expect(priceVersionAt(prices, 'A', 1_500)).toBeNull();
    expect(priceVersionAt([], 'a', 1_500)).toBeNull();
  });
});

describe('rates', () => {
  it('are exact integers, and absent where the version lists none', () => {
    expect(scaledRate(version('a', 0, null), 'input')).toBe(150_000_000_000n);
    expect(scaledRate(version('a', 0, null), 'input_cache_read')).toBeNull();
    expect([...pricedDimensions(version('a', 0, null))]).toEqual(['input', 'output']);
  });
});
