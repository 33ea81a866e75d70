import { createHash, hash } from 'node:crypto';
import type { Attempt, RequestCompleted } from '@tensorloop/contracts/request-completed';
import type { Dimension, Usage } from '@tensorloop/contracts/usage';

/**
 * SHA-256 of the event's canonical text: every object's fields by name, usage without zeros. Hashing the bytes as sent, or
 * in the schema's order, would call a gateway's own second copy an intruder as soon as a new release of either side wrote
 * the fields in another order, or knew one more of them.
 */
export function hashEvent(event: RequestCompleted): Buffer {
  return hash('sha256', canonicalText(event), 'buffer');
}

/** Fields of an event and of an attempt as this release knows them, without those that may be absent. */
const EVENT_FIELDS = 25;
const ATTEMPT_FIELDS = 5;

function canonicalText(event: RequestCompleted): string {
  const isKnown =
    Object.keys(event).length === EVENT_FIELDS + optionalFields(event) &&
    event.attempts.every((attempt) => Object.keys(attempt).length === ATTEMPT_FIELDS);
  return isKnown ? textOfKnownFields(event) : textOfAnyFields(event);
}

function optionalFields({ isPrepaid, projectId, projectWindowIndex, projectWindowStartMs, tags }: RequestCompleted): number {
  let fields = 0;
  for (const field of [isPrepaid, projectId, projectWindowIndex, projectWindowStartMs, tags])
    if (field !== undefined) fields += 1;
  return fields;
}

/** What a newer gateway sends may have fields of any name, at any depth. */
export function textOfAnyFields(event: RequestCompleted): string {
  return JSON.stringify({ ...event, usage: canonicalUsage(event.usage) }, sortedByName);
}

/** The same text for an event without unknown fields, at a quarter of the price: its names are written here in order. */
function textOfKnownFields(event: RequestCompleted): string {
  return JSON.stringify({
    accountId: event.accountId,
    accountTag: event.accountTag,
    admittedAtMs: event.admittedAtMs,
    attempts: event.attempts.map(sortedAttempt),
    chargeNanoUsd: event.chargeNanoUsd,
    completedAtMs: event.completedAtMs,
    day: event.day,
    endpoint: event.endpoint,
    estimated: event.estimated,
    firstByteMs: event.firstByteMs,
    gatewayId: event.gatewayId,
    holdNanoUsd: event.holdNanoUsd,
    httpStatus: event.httpStatus,
    isPrepaid: event.isPrepaid,
    keyId: event.keyId,
    latencyMs: event.latencyMs,
    model: event.model,
    outcome: event.outcome,
    overrunNanoUsd: event.overrunNanoUsd,
    priceVersionId: event.priceVersionId,
    projectId: event.projectId,
    projectWindowIndex: event.projectWindowIndex,
    projectWindowStartMs: event.projectWindowStartMs,
    requestId: event.requestId,
    stream: event.stream,
    tags: event.tags === undefined ? undefined : sortedByName('tags', event.tags),
    usage: canonicalUsage(event.usage),
    v: event.v,
    windowIndex: event.windowIndex,
    windowStartMs: event.windowStartMs,
  });
}

function sortedAttempt({ failure, latencyMs, provider, status, upstreamModel }: Attempt): Attempt {
  return { failure, latencyMs, provider, status, upstreamModel };
}

/** For JSON.stringify: objects come out with their fields in the order of their names. */
function sortedByName(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)));
}

function canonicalUsage(usage: Usage): Usage {
  const canonical: Usage = {};
  for (const dimension of (Object.keys(usage) as Dimension[]).sort()) {
    const quantity = usage[dimension];
    if (quantity) canonical[dimension] = quantity;
  }
  return canonical;
}

/** SHA-256 of a message as it came: identifies what is quarantined. */
export function hashBytes(data: Uint8Array): Buffer {
  return createHash('sha256').update(data).digest();
}
