import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { BALANCE_SCOPE, dayScope, projectScope, type Scope, windowScope } from '@tensorloop/contracts/settle-ack';
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
  corrects?: {
    linesBooked: number;
    /** What the row said before: how it had ended and been attributed is taken back where that is counted. */
    booked: Pick<RequestCompleted, 'outcome' | 'latencyMs' | 'firstByteMs' | 'projectId' | 'tags'>;
  };
}

export function hasTags({ tags }: Pick<RequestCompleted, 'tags'>): boolean {
  return tags !== undefined && Object.keys(tags).length > 0;
}

/** Whether the call counts for a project or for tags, beside its key and model. */
export function isAttributed(event: Pick<RequestCompleted, 'projectId' | 'tags'>): boolean {
  return event.projectId !== undefined || hasTags(event);
}

type ScopedCall = Pick<RequestCompleted, 'keyId' | 'windowIndex' | 'day' | 'isPrepaid' | 'projectId' | 'projectWindowIndex'>;

/** The spending scopes a call counts toward, frozen at admission. */
export function scopesOf(event: ScopedCall): Scope[] {
  const { keyId, windowIndex, day, isPrepaid, projectId, projectWindowIndex } = event;
  const scopes = [windowScope(keyId, windowIndex), dayScope(day)];
  if (projectId !== undefined && projectWindowIndex !== undefined) scopes.push(projectScope(projectId, projectWindowIndex));
  if (isPrepaid === true) scopes.push(BALANCE_SCOPE);
  return scopes;
}
