import type { Scope } from '@tensorloop/contracts/settle-ack';
import type { OpenEntry } from './admission.types.js';

const PROJECT = 'project:';

/**
 * Reads one value of the open hash: `state|amount|windowScope|dayScope|gatewayId|admittedAtMs|hold`, and `|marks` and
 * `|projectScope` where the call counts in more than these two scopes (see entry.lua).
 */
export function parseOpenEntry(requestId: string, value: string): OpenEntry {
  const [state, amount, windowScope, dayScope, gatewayId, admittedAtMs, hold, ...more] = value.split('|');
  if (hold === undefined) throw new Error(`the open entry of ${requestId} is malformed: ${value}`);
  const projectScope = (more.find((field) => field.startsWith(PROJECT)) as Scope | undefined) ?? null;
  const marks = more.find((field) => !field.startsWith(PROJECT)) ?? '';
  return {
    requestId,
    state: state === 'h' ? 'held' : 'settled',
    amountNanoUsd: BigInt(amount as string),
    windowScope: windowScope as Scope,
    dayScope: dayScope as Scope,
    gatewayId: gatewayId as string,
    admittedAtMs: Number(admittedAtMs),
    holdNanoUsd: BigInt(hold),
    projectScope,
    isPrepaid: marks.includes('b'),
    isParallelCounted: marks.includes('c'),
    tokensCounted: marks.includes('t') ? Number(marks.slice(marks.indexOf('t') + 1)) : null,
  };
}
