import type { PriceVersion } from '@tensorloop/contracts/price-book';
import type { Outcome, RequestCompleted } from '@tensorloop/contracts/request-completed';
import type { NanoUsd } from '@tensorloop/kernel/money';
import { type ChargeLine, chargeUsage } from '@tensorloop/pricing/charge';
import type { PricedCall } from '../usage/usage.types.js';
import type { Rejection } from './ingest.types.js';

/** A failed upstream call charges nothing (TL-9), whatever was counted before it failed. */
const UNCHARGED: ReadonlySet<Outcome> = new Set<Outcome>(['upstream_error', 'upstream_cut']);

type Priced = Pick<PricedCall, 'lines' | 'chargeNanoUsd'>;

/**
 * Prices a call at the version frozen at its admission, capped by its hold, and compares with what the gateway computed.
 * A disagreement is never averaged and a missing price never means free: both are rejections.
 *
 * The version need not have been in force at the admission instant by our clock: a gateway admits by the snapshot it has,
 * and that is the price the customer was admitted at.
 */
export function priceCall(event: RequestCompleted, version: PriceVersion | null): Priced | Rejection {
  if (version === null) return { reason: 'price_missing', detail: `no price version ${event.priceVersionId}` };
  if (version.model !== event.model) {
    return {
      reason: 'price_mismatch',
      detail: `price version ${version.id} is of ${version.model}, the call of ${event.model}`,
    };
  }
  const charge = UNCHARGED.has(event.outcome) ? { lines: [], totalNanoUsd: 0n } : chargeUsage(version, event.usage);
  if ('missing' in charge) {
    return { reason: 'price_missing', detail: `version ${version.id} has no price for ${charge.missing.join(', ')}` };
  }
  const holdNanoUsd = BigInt(event.holdNanoUsd);
  const chargeNanoUsd = charge.totalNanoUsd < holdNanoUsd ? charge.totalNanoUsd : holdNanoUsd;
  const overrunNanoUsd = charge.totalNanoUsd - chargeNanoUsd;
  if (chargeNanoUsd !== BigInt(event.chargeNanoUsd) || overrunNanoUsd !== BigInt(event.overrunNanoUsd)) {
    return {
      reason: 'price_mismatch',
      detail: `charge ${chargeNanoUsd} and overrun ${overrunNanoUsd} here, ${event.chargeNanoUsd} and ${event.overrunNanoUsd} at the gateway (nano-USD)`,
    };
  }
  return { lines: capLines(charge.lines, chargeNanoUsd), chargeNanoUsd };
}

/** Cuts lines down, the last ones first, until they sum to `limitNanoUsd`: a capped call's lines still add up to its charge. */
export function capLines(lines: readonly ChargeLine[], limitNanoUsd: NanoUsd): ChargeLine[] {
  let leftNanoUsd = limitNanoUsd;
  return lines.map((line) => {
    const amountNanoUsd = line.amountNanoUsd < leftNanoUsd ? line.amountNanoUsd : leftNanoUsd;
    leftNanoUsd -= amountNanoUsd;
    return { ...line, amountNanoUsd };
  });
}
