import type { Limits } from '../load/tenants.js';
import type { BookedCall, ServedCall } from './books.js';
import type { Violation } from './violation.js';

export interface ReplayInputs {
  booked: readonly BookedCall[];
  served: ReadonlyMap<string, ServedCall>;
  limits: Limits;
}

/**
 * Two clocks of one machine, Redis' and the simulator's, each read in whole ms, and the time an answer's last bytes take from
 * there to here.
 */
const CLOCK_MARGIN_MS = 20;

/**
 * Repeats all admissions in their order and asks at each: what had been spent, what the calls in flight could still cost,
 * and the hold of this one, is it within the limit? A call counts as in flight as long as the provider was still
 * answering it: no gateway can have settled it earlier. So the sum is never more than what admission had to count,
 * and a limit that it passes was passed.
 */
export function replayAdmissions({ booked, served, limits }: ReplayInputs): Violation[] {
  const scopes = new Map<string, BookedCall[]>();
  for (const call of [...booked].sort((a, b) => a.admittedAtMs - b.admittedAtMs)) {
    for (const scope of scopesOf(call, limits)) {
      const calls = scopes.get(scope);
      if (calls) calls.push(call);
      else scopes.set(scope, [call]);
    }
  }
  const violations: Violation[] = [];
  for (const [scope, calls] of scopes) {
    const worst = replayScope(calls, { scope, served, limits });
    if (worst) violations.push(worst);
  }
  return violations;
}

/** A credit that was asked for in vain, with PostgreSQL down, raised no balance: the books say which ones were given. */
export function withGrantsGiven(limits: Limits, grantKeys: ReadonlySet<string>): Limits {
  return { ...limits, grants: limits.grants.filter(({ idempotencyKey }) => grantKeys.has(idempotencyKey)) };
}

function scopesOf(call: BookedCall, limits: Limits): string[] {
  return [
    ...(limits.keys.has(call.keyId) ? [`key ${call.keyId} window ${call.windowIndex}`] : []),
    ...(limits.days.has(call.accountId) ? [`account ${call.accountId} day ${call.day}`] : []),
    ...(call.isPrepaid ? [`account ${call.accountId} balance`] : []),
  ];
}

/** What had been granted before the call; the tolerance is the other way round: a credit counts from before it was given. */
function limitAt(scope: string, call: BookedCall, limits: Limits): bigint {
  if (scope.startsWith('key ')) return limits.keys.get(call.keyId) as bigint;
  if (scope.includes(' day ')) return limits.days.get(call.accountId) as bigint;
  return limits.grants
    .filter((grant) => grant.accountId === call.accountId && grant.grantedAtMs <= call.admittedAtMs + CLOCK_MARGIN_MS)
    .reduce((sum, grant) => sum + grant.nanoUsd, 0n);
}

interface ScopeInputs {
  scope: string;
  served: ReplayInputs['served'];
  limits: Limits;
}

function replayScope(calls: readonly BookedCall[], { scope, served, limits }: ScopeInputs): Violation | null {
  let spent = 0n;
  let inFlight: { untilMs: number; more: bigint }[] = [];
  let worst: Violation | null = null;
  let worstBy = 0n;
  for (const call of calls) {
    inFlight = inFlight.filter(({ untilMs }) => untilMs > call.admittedAtMs);
    const held = inFlight.reduce((sum, { more }) => sum + more, 0n);
    const limit = limitAt(scope, call, limits);
    const counted = spent + held + call.holdNanoUsd;
    if (counted - limit > worstBy) {
      worstBy = counted - limit;
      const actual = `${spent} spent + ${held} in flight + ${call.holdNanoUsd} held at call ${call.requestId}`;
      worst = { kind: 'overshoot', subject: scope, expected: `at most ${limit}`, actual };
    }
    spent += call.chargeNanoUsd;
    const at = served.get(call.requestId);
    if (at?.isEndedByProvider) {
      inFlight.push({ untilMs: at.lastEndedAtMs - CLOCK_MARGIN_MS, more: call.holdNanoUsd - call.chargeNanoUsd });
    }
  }
  return worst;
}
