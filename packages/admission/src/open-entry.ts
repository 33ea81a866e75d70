import type { Scope } from '@tensorloop/contracts/settle-ack';
import type { OpenEntry } from './admission.types.js';

/**
 * Reads one value of the open hash: `state|amount|windowScope|dayScope|gatewayId|admittedAtMs|hold`, and `|marks` where the
 * call counts in more than these two scopes (see admit.lua).
 */
export function parseOpenEntry(requestId: string, value: string): OpenEntry {
  const [state, amount, windowScope, dayScope, gatewayId, admittedAtMs, hold, marks = ''] = value.split('|');
  if (hold === undefined) throw new Error(`the open entry of ${requestId} is malformed: ${value}`);
  return {
    requestId,
    state: state === 'h' ? 'held' : 'settled',
    amountNanoUsd: BigInt(amount as string),
    windowScope: windowScope as Scope,
    dayScope: dayScope as Scope,
    gatewayId: gatewayId as string,
    admittedAtMs: Number(admittedAtMs),
    holdNanoUsd: BigInt(hold),
    isPrepaid: marks.includes('b'),
    isParallelCounted: marks.includes('c'),
    tokensCounted: marks.includes('t') ? Number(marks.slice(marks.indexOf('t') + 1)) : null,
  };
}
