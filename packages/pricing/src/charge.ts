import type { PriceVersion } from '@tensorloop/contracts/price-book';
import { DIMENSIONS, type Dimension, type Usage } from '@tensorloop/contracts/usage';
import { divideHalfEven, type NanoUsd } from '@tensorloop/kernel/money';
import { RATE_PER_NANO_USD, scaledRate } from './price-version.js';

/** One dimension of one call's charge. `unitPrice` is the price book's own text, USD per million units. */
export interface ChargeLine {
  dimension: Dimension;
  /** In tokens unless the dimension says otherwise. */
  quantity: number;
  unitPrice: string;
  amountNanoUsd: NanoUsd;
}

export interface Charge {
  /** One line per dimension with a quantity above 0, in the contract's order. */
  lines: ChargeLine[];
  totalNanoUsd: NanoUsd;
}

/** Dimensions that were used and have no price. Nothing is priced then: leaving them out would serve them for free. */
export interface UnpricedUsage {
  missing: Dimension[];
}

/**
 * Prices `usage` at one frozen version. Each dimension is rounded once, ties to even, and the total is the plain sum of
 * the rounded lines, so that adding up what an invoice shows always gives what was charged.
 */
export function chargeUsage(version: PriceVersion, usage: Usage): Charge | UnpricedUsage {
  const lines: ChargeLine[] = [];
  const missing: Dimension[] = [];
  let totalNanoUsd = 0n;
  for (const dimension of DIMENSIONS) {
    const quantity = usage[dimension] ?? 0;
    if (quantity === 0) continue;
    const rate = scaledRate(version, dimension);
    if (rate === null) {
      missing.push(dimension);
      continue;
    }
    const amountNanoUsd = divideHalfEven(BigInt(quantity) * rate, RATE_PER_NANO_USD);
    totalNanoUsd += amountNanoUsd;
    lines.push({ dimension, quantity, unitPrice: version.rates[dimension] as string, amountNanoUsd });
  }
  return missing.length > 0 ? { missing } : { lines, totalNanoUsd };
}
