import type { NanoUsd } from '@tensorloop/kernel/money';
import type { KeyMoney, WindowUse } from './key-usage.types.js';

/**
 * What a key has spent, holds and has left. What Redis holds is what admission goes by, so it is believed; a window that Redis
 * was told no total of (nobody has called with the key since Redis lost its state) is taken from metering. Null when neither
 * says: nothing is made up.
 */
export function keyMoney(budgetNanoUsd: NanoUsd, use: WindowUse | null, bookedNanoUsd: NanoUsd | null): KeyMoney | null {
  if (use === null) return null;
  const total = use.totalNanoUsd ?? bookedNanoUsd;
  if (total === null) return null;
  const spentNanoUsd = total + use.settledNanoUsd;
  const left = budgetNanoUsd - spentNanoUsd - use.heldNanoUsd;
  return {
    spentNanoUsd,
    heldNanoUsd: use.heldNanoUsd,
    leftNanoUsd: left > 0n ? left : 0n,
    isBudgetExhausted: spentNanoUsd >= budgetNanoUsd,
  };
}
