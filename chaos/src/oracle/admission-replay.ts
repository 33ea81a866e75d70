import type { GatewayStandstill } from '../faults/fault.types.js';
import type { Limits } from '../load/tenants.js';
import type { BookedCall, ServedCall } from './books.js';
import type { Violation } from './violation.js';

export interface ReplayInputs {
  booked: readonly BookedCall[];
  served: ReadonlyMap<string, ServedCall>;
  limits: Limits;
  /** Gateways that others stopped waiting for while they stood still. */
  standstills?: readonly GatewayStandstill[];
  /** Unix ms at which Redis lost what it knew, or became another process: accounts are rebuilt after it. */
  epochsEndedAtMs?: readonly number[];
}

/** A limit was passed by no more than a fenced gateway's open calls: the design's stated bound. Counted, and no violation. */
export const SPENT_TWICE = 'spent twice';

/** A gateway is fenced so long after its last beat, which may have been 5 s old when it stopped. */
const FENCED_AFTER_MS = 25_000;
/** From its waking until what it owes is in Redis again. */
const ASSERTED_MS_MAX = 10_000;

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
export function replayAdmissions({
  booked,
  served,
  limits,
  standstills = [],
  epochsEndedAtMs = [],
}: ReplayInputs): Violation[] {
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
    const worst = replayScope(calls, { scope, served, limits, standstills, epochsEndedAtMs });
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
  standstills: readonly GatewayStandstill[];
  epochsEndedAtMs: readonly number[];
}

function replayScope(calls: readonly BookedCall[], inputs: ScopeInputs): Violation | null {
  const { scope, served, limits } = inputs;
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
      const kind = counted - limit <= unseenAt(call, calls, inputs) ? SPENT_TWICE : 'overshoot';
      worst = { kind, subject: scope, expected: `at most ${limit}`, actual };
    }
    spent += call.chargeNanoUsd;
    const at = served.get(call.requestId);
    if (at?.isEndedByProvider) {
      inFlight.push({ untilMs: at.lastEndedAtMs - CLOCK_MARGIN_MS, more: call.holdNanoUsd - call.chargeNanoUsd });
    }
  }
  return worst;
}

/**
 * What a rebuild without a gateway that stood still could not know of at the instant of the call: the holds of the calls that
 * were open there. Nothing where no rebuild could have happened, or the gateway had not been given up yet, or was back.
 */
function unseenAt(
  call: BookedCall,
  calls: readonly BookedCall[],
  { served, standstills, epochsEndedAtMs }: ScopeInputs,
): bigint {
  const { admittedAtMs } = call;
  const fences = standstills.filter(
    ({ atMs, wokenAtMs }) => admittedAtMs >= atMs + FENCED_AFTER_MS && admittedAtMs <= wokenAtMs + ASSERTED_MS_MAX,
  );
  if (fences.length === 0 || !epochsEndedAtMs.some((atMs) => atMs <= admittedAtMs)) return 0n;
  const isUnseen = (one: BookedCall) =>
    fences.some(
      ({ gateway, atMs }) =>
        one.gatewayId === gateway &&
        one.admittedAtMs <= atMs &&
        (served.get(one.requestId)?.lastEndedAtMs ?? 0) >= atMs - CLOCK_MARGIN_MS,
    );
  return calls.filter(isUnseen).reduce((sum, { holdNanoUsd }) => sum + holdNanoUsd, 0n);
}
