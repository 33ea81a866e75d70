import type { PriceVersion } from '@tensorloop/contracts/price-book';
import { DIMENSIONS, type Dimension } from '@tensorloop/contracts/usage';
import { parseDecimal } from '@tensorloop/kernel/money';

/** Decimal places kept of a unit price; the contract allows no more, so a rate is always an exact integer. */
const RATE_SCALE = 12;

/**
 * What one unit's scaled rate is divided by to become nano-USD: USD per million × 1e12 is 1e9 times nano-USD per unit
 * (1 USD per million = 1,000 nano-USD per unit).
 */
export const RATE_PER_NANO_USD = 1_000_000_000n;

/**
 * The version of `model` in force at `atMs` (Unix milliseconds; from inclusive, to exclusive), or null when it has none:
 * a model without a price is refused, never free.
 */
export function priceVersionAt(prices: readonly PriceVersion[], model: string, atMs: number): PriceVersion | null {
  for (const price of prices) {
    if (price.model !== model || price.effectiveFromMs > atMs) continue;
    if (price.effectiveToMs === null || atMs < price.effectiveToMs) return price;
  }
  return null;
}

/** USD per million units as an integer scaled by 1e12, or null when the version does not price the dimension. */
export function scaledRate(version: PriceVersion, dimension: Dimension): bigint | null {
  const text = version.rates[dimension];
  return text === undefined ? null : scaled(text);
}

/** A price book has few different rates, and each call asks for a dozen of them twice: what a text means is remembered. */
const RATES_REMEMBERED_MAX = 1_000;
const remembered = new Map<string, bigint>();

function scaled(text: string): bigint {
  const known = remembered.get(text);
  if (known !== undefined) return known;
  const rate = parseDecimal(text, RATE_SCALE);
  if (remembered.size >= RATES_REMEMBERED_MAX) remembered.clear();
  remembered.set(text, rate);
  return rate;
}

/** Versions never change, and every call asks. */
const pricedByVersion = new WeakMap<PriceVersion, ReadonlySet<Dimension>>();

/** The dimensions a version prices, in the contract's order. */
export function pricedDimensions(version: PriceVersion): ReadonlySet<Dimension> {
  let priced = pricedByVersion.get(version);
  if (priced === undefined) {
    priced = new Set(DIMENSIONS.filter((dimension) => version.rates[dimension] !== undefined));
    pricedByVersion.set(version, priced);
  }
  return priced;
}
