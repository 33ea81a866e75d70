import type { LimitState, LimitsLeft, RateLeft } from './admission.types.js';
import type { ScriptValue } from './scripts.js';

const BAR = '|';

export function limitState(limit: ScriptValue, spent: ScriptValue, held: ScriptValue): LimitState {
  return { limitNanoUsd: BigInt(limit), spentNanoUsd: BigInt(spent), heldNanoUsd: BigInt(held) };
}

type ThreeNumbers = [number, number, number];

function rateLeft([limit, remaining, resetMs]: ThreeNumbers): RateLeft {
  return { limit, remaining, resetMs };
}

/** What is left as a refusal says it; the order is that of `seldom.leftText`. */
export function limitsLeft(text: string): LimitsLeft {
  const numbers = text.split(BAR).map(Number);
  const three = (at: number) => numbers.slice(at, at + 3) as ThreeNumbers;
  const money = (at: number) => ((numbers[at] as number) < 0 ? null : limitState(...three(at)));
  return {
    rpm: rateLeft(three(0)),
    accountRpm: (numbers[3] as number) < 0 ? null : rateLeft(three(3)),
    budget: money(6),
    budgetResetMs: numbers[9] as number,
    daily: money(10),
    balance: money(13),
    projectBudget: money(16),
  };
}
