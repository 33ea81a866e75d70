import type { SettleResult } from './admission.types.js';

const CALLS = '|';
const FIELDS = ':';
/** By the first of the three numbers of a call. */
const OUTCOMES = ['missing', 'settled', 'already_settled'] as const;

/** What `settle.lua` answers, call by call. */
export function parseSettled(text: string): SettleResult[] {
  return text.split(CALLS).map((call) => {
    const [outcome, amount, excess] = call.split(FIELDS) as [string, string, string];
    return { outcome: OUTCOMES[Number(outcome) as 0 | 1 | 2], amountNanoUsd: BigInt(amount), excessNanoUsd: BigInt(excess) };
  });
}
