import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { BALANCE_SCOPE, dayScope, type Scope, windowScope } from '@tensorloop/contracts/settle-ack';
import type { NanoUsd } from '@tensorloop/kernel/money';
import type { ChargeLine } from '@tensorloop/pricing/charge';

/** A call that passed every check, with the charge metering computed for it itself. */
export interface PricedCall {
  event: RequestCompleted;
  /** SHA-256 of the canonical event: what tells a second copy from an altered one. */
  payloadHash: Buffer;
  /** Sum of the amounts = `chargeNanoUsd`. Empty when the outcome charges nothing. */
  lines: readonly ChargeLine[];
  chargeNanoUsd: NanoUsd;
  /**
   * Set where this is no call of its own but what comes on top of one that is booked: usage, lines and charge are differences,
   * and may be below 0 by dimension. Whoever sums adds it like any call, and counts it as none.
   */
  corrects?: { linesBooked: number };
}

/** The spending scopes a call counts toward, frozen at admission. */
export function scopesOf(event: Pick<RequestCompleted, 'keyId' | 'windowIndex' | 'day' | 'isPrepaid'>): Scope[] {
  const { keyId, windowIndex, day, isPrepaid } = event;
  return [windowScope(keyId, windowIndex), dayScope(day), ...(isPrepaid === true ? [BALANCE_SCOPE] : [])];
}
