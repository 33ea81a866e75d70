import type { PriceVersion } from '@tensorloop/contracts/price-book';
import type { Attempt, Outcome, RequestCompleted } from '@tensorloop/contracts/request-completed';
import type { Dimension, Usage } from '@tensorloop/contracts/usage';
import type { NanoUsd } from '@tensorloop/kernel/money';
import { chargeUsage } from '@tensorloop/pricing/charge';
import { UNIT_DIMENSIONS } from '@tensorloop/pricing/hold';
import type { AcceptedRecord } from '../journal/journal.types.js';

/** Dimensions that are not counted in tokens. */
const NOT_TOKENS: ReadonlySet<Dimension> = new Set(UNIT_DIMENSIONS);

/** Tokens of a call, in and out: what counts against a token limit. */
export function tokensOf(usage: Usage): number {
  let tokens = 0;
  for (const [dimension, quantity] of Object.entries(usage)) {
    if (!NOT_TOKENS.has(dimension as Dimension)) tokens += quantity;
  }
  return tokens;
}

/** How a call ended, as far as it is not frozen at admission. */
export interface Ending {
  outcome: Outcome;
  usage: Usage;
  estimated: boolean;
  httpStatus: number;
  completedAtMs: number;
  latencyMs: number;
  firstByteMs: number | null;
  attempts: Attempt[];
}

const OUTPUT_SIDE: ReadonlySet<Dimension> = new Set(['output', 'output_reasoning', 'output_audio']);

/**
 * Usage of a dimension that the frozen price does not list (audio nobody announced) is counted as plain input or output:
 * nothing is free, and what the customer did not agree to at a price is not guessed at a dearer one. Pieces are no tokens:
 * where they have no price, the same is sold by tokens.
 */
function pricedUsage(price: PriceVersion, usage: Usage): { usage: Usage; totalNanoUsd: NanoUsd; isAltered: boolean } {
  const charge = chargeUsage(price, usage);
  if (!('missing' in charge)) return { usage, totalNanoUsd: charge.totalNanoUsd, isAltered: false };
  const moved: Usage = { ...usage };
  for (const dimension of charge.missing) {
    const plain: Dimension = OUTPUT_SIDE.has(dimension) ? 'output' : 'input';
    if (dimension !== plain && !NOT_TOKENS.has(dimension)) moved[plain] = (moved[plain] ?? 0) + (moved[dimension] ?? 0);
    delete moved[dimension];
  }
  const rest = chargeUsage(price, moved);
  if ('missing' in rest) throw new Error(`price ${price.id} lists neither ${rest.missing.join(' nor ')}`);
  return { usage: moved, totalNanoUsd: rest.totalNanoUsd, isAltered: true };
}

/**
 * The event of an ended call. Pure, and the only place where a call is priced: charge = min(price, hold), and what the price
 * comes to above the hold is the platform's overrun, never the customer's.
 */
export function closeCall(accepted: AcceptedRecord, ending: Ending): RequestCompleted {
  const { promptBytes: _bytes, isParallelCounted: _isCounted, tokensCounted: _tokens, price, ...frozen } = accepted;
  const { usage, totalNanoUsd, isAltered } = pricedUsage(price, ending.usage);
  const hold = BigInt(accepted.holdNanoUsd);
  const charged = totalNanoUsd < hold ? totalNanoUsd : hold;
  return {
    v: 1,
    ...frozen,
    chargeNanoUsd: charged.toString(),
    overrunNanoUsd: (totalNanoUsd - charged).toString(),
    usage,
    estimated: ending.estimated || isAltered,
    outcome: ending.outcome,
    httpStatus: ending.httpStatus,
    completedAtMs: ending.completedAtMs,
    latencyMs: ending.latencyMs,
    firstByteMs: ending.firstByteMs,
    attempts: ending.attempts,
  };
}
