import type { ScopeUse } from '@tensorloop/admission/scope-use';
import type { NanoUsd } from '@tensorloop/kernel/money';

/** What is to be known of a key to tell what is left of it. */
export interface BudgetedKey {
  id: string;
  mintedAtMs: number;
  /** The budget that gateways go by. */
  budgetNanoUsd: NanoUsd;
}

/** A key's spending in its current 30-day window (spec TL-4). */
export interface KeyUsage {
  /** Null, all of them together: it cannot be told at the moment. */
  money: KeyMoney | null;
  /** Exclusive end of the window. */
  resetsAtMs: number;
  /** Null = never, or metering does not say at the moment (`isLastUseKnown` false). */
  lastUsedAtMs: number | null;
  isLastUseKnown: boolean;
  /** A full minute up to which every call is in `lastUsedAtMs`; null = metering does not say at the moment. */
  dataThroughMs: number | null;
}

export interface KeyMoney {
  /** Of calls that have ended, booked or not. */
  spentNanoUsd: NanoUsd;
  /** Of calls in flight. */
  heldNanoUsd: NanoUsd;
  /** Never below 0. */
  leftNanoUsd: NanoUsd;
  /** The budget is spent, whatever is held: no call is admitted before the window ends. */
  isBudgetExhausted: boolean;
}

/** What admission holds of one window of a key. */
export type WindowUse = ScopeUse;
