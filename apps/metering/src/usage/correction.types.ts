import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { DIMENSIONS, type Usage } from '@tensorloop/contracts/usage';
import type { NanoUsd } from '@tensorloop/kernel/money';
import type { ChargeLine } from '@tensorloop/pricing/charge';
import type { PricedCall } from './usage.types.js';

/** What is frozen at admission: two events of one call agree in it, whoever wrote them and whenever. */
export type FrozenCall = Pick<
  RequestCompleted,
  | 'requestId'
  | 'accountId'
  | 'keyId'
  | 'model'
  | 'endpoint'
  | 'gatewayId'
  | 'stream'
  | 'admittedAtMs'
  | 'windowIndex'
  | 'windowStartMs'
  | 'day'
  | 'priceVersionId'
  | 'holdNanoUsd'
> & { isPrepaid: boolean };

/** A row of usage, as far as it says what a second event of the same call is. */
export interface BookedCall
  extends FrozenCall,
    Pick<RequestCompleted, 'outcome' | 'latencyMs' | 'firstByteMs' | 'projectId' | 'projectWindowIndex' | 'tags'> {
  usage: Usage;
  chargeNanoUsd: NanoUsd;
  payloadHash: Buffer;
}

/** The true end of a call, with the estimate that it replaces. */
export interface Correction {
  booked: BookedCall;
  call: PricedCall;
}

/**
 * What a further event of a booked call is. Somebody else settles a call when its gateway has died, by what is known of it,
 * and the gateway may come back with its end. The end counts, whichever comes first; an estimate beside it, or beside another
 * estimate, says nothing new. The end corrects upwards only: what was charged had been delivered.
 */
export function judgeCopy(booked: BookedCall, call: PricedCall): 'duplicate' | 'correction' | 'mismatch' {
  const { event } = call;
  if (booked.payloadHash.equals(call.payloadHash)) return 'duplicate';
  if (!isFrozenSame(booked, event)) return 'mismatch';
  if (isEstimate(event)) return 'duplicate';
  if (!isEstimate(booked)) return 'mismatch';
  return call.chargeNanoUsd < booked.chargeNanoUsd ? 'duplicate' : 'correction';
}

/** The row as it is once the call has corrected it. */
export function corrected(booked: BookedCall, { event, chargeNanoUsd, payloadHash }: PricedCall): BookedCall {
  const { outcome, usage, latencyMs, firstByteMs } = event;
  return { ...booked, outcome, usage, latencyMs, firstByteMs, chargeNanoUsd, payloadHash };
}

/**
 * What the true end adds to what was booked, as a call of its own: dimension by dimension, some of it perhaps below 0. It counts
 * where the booked call did, whatever project and tags the end names: a call is in one place in every sum.
 */
export function toDifference({ booked, call }: Correction, linesBooked: readonly ChargeLine[]): PricedCall {
  const usage: Usage = {};
  for (const dimension of DIMENSIONS) {
    const quantity = (call.event.usage[dimension] ?? 0) - (booked.usage[dimension] ?? 0);
    if (quantity !== 0) usage[dimension] = quantity;
  }
  return {
    ...call,
    event: { ...attributedAs(booked, call.event), usage },
    lines: DIMENSIONS.flatMap((dimension) => differenceLine(find(linesBooked, dimension), find(call.lines, dimension))),
    chargeNanoUsd: call.chargeNanoUsd - booked.chargeNanoUsd,
    corrects: { linesBooked: linesBooked.length, booked },
  };
}

function attributedAs({ projectId, projectWindowIndex, tags }: BookedCall, event: RequestCompleted): RequestCompleted {
  const { projectId: _project, projectWindowIndex: _index, projectWindowStartMs: _startMs, tags: _tags, ...rest } = event;
  return {
    ...rest,
    ...(projectId === undefined ? {} : { projectId }),
    ...(projectWindowIndex === undefined ? {} : { projectWindowIndex }),
    ...(tags === undefined ? {} : { tags }),
  };
}

function differenceLine(before: ChargeLine | undefined, after: ChargeLine | undefined): ChargeLine[] {
  const line = after ?? before;
  if (line === undefined) return [];
  const quantity = (after?.quantity ?? 0) - (before?.quantity ?? 0);
  const amountNanoUsd = (after?.amountNanoUsd ?? 0n) - (before?.amountNanoUsd ?? 0n);
  return quantity === 0 && amountNanoUsd === 0n ? [] : [{ ...line, quantity, amountNanoUsd }];
}

function find(lines: readonly ChargeLine[], dimension: ChargeLine['dimension']): ChargeLine | undefined {
  return lines.find((line) => line.dimension === dimension);
}

/** Only a gateway's death makes somebody else speak for it; whatever else is estimated is the gateway's own last word. */
function isEstimate({ outcome }: Pick<BookedCall, 'outcome'>): boolean {
  return outcome === 'gateway_died';
}

function isFrozenSame(booked: FrozenCall, event: RequestCompleted): boolean {
  return (
    booked.accountId === event.accountId &&
    booked.keyId === event.keyId &&
    booked.model === event.model &&
    booked.endpoint === event.endpoint &&
    booked.gatewayId === event.gatewayId &&
    booked.stream === event.stream &&
    booked.admittedAtMs === event.admittedAtMs &&
    booked.windowIndex === event.windowIndex &&
    booked.windowStartMs === event.windowStartMs &&
    booked.day === event.day &&
    booked.priceVersionId === event.priceVersionId &&
    booked.holdNanoUsd === event.holdNanoUsd &&
    booked.isPrepaid === (event.isPrepaid === true)
  );
}
