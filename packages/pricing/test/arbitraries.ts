import type { PriceVersion } from '@tensorloop/contracts/price-book';
import { DIMENSIONS, type Dimension, type Usage } from '@tensorloop/contracts/usage';
import { formatDecimal } from '@tensorloop/kernel/money';
import fc from 'fast-check';

/** A price of every listed dimension: free, ordinary, and with all twelve decimals. */
export function ratesArbitrary(dimensions: readonly Dimension[]): fc.Arbitrary<PriceVersion['rates']> {
  const price = fc.oneof(
    fc.constant('0'),
    fc.constantFrom('0.15', '0.60', '2.50', '10'),
    fc.bigInt(0n, 200_000_000_000_000n).map((scaled) => formatDecimal(scaled, 12)),
  );
  return fc
    .tuple(...dimensions.map(() => price))
    .map((prices) => Object.fromEntries(dimensions.map((dimension, index) => [dimension, prices[index] as string])));
}

export function usageArbitrary(): fc.Arbitrary<Usage> {
  const quantity = fc.oneof(fc.nat(20), fc.nat(1_000_000_000));
  return fc.record(Object.fromEntries(DIMENSIONS.map((dimension) => [dimension, quantity])), {
    requiredKeys: [],
  }) as fc.Arbitrary<Usage>;
}
