import type { Scope } from '@tensorloop/contracts/settle-ack';
import type { OpenEntry } from './admission.types.js';

/** Reads one value of the open hash: `state|amount|windowScope|dayScope|gatewayId|admittedAtMs|hold`. */
export function parseOpenEntry(requestId: string, value: string): OpenEntry {
  const [state, amount, windowScope, dayScope, gatewayId, admittedAtMs, hold] = value.split('|');
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
  };
}
