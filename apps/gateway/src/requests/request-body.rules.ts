import type { Attempt, RequestCompleted } from '@tensorloop/contracts/request-completed';
import type { BookedRequest, ChargeLine } from '@tensorloop/contracts/rpc';
import { formatUsd } from '@tensorloop/kernel/money';
import type { AcceptedRecord } from '../journal/journal.types.js';

/** `in_progress` → `ended` (charged, on its way to the books) → `booked`. */
export type RequestStatus = 'in_progress' | 'ended' | 'booked';
export type RequestBody = { object: 'request'; id: string; status: RequestStatus } & Record<string, unknown>;

/** What the event and the books both say of a call that has ended. */
type Ended = Pick<
  RequestCompleted & BookedRequest,
  | 'requestId'
  | 'keyId'
  | 'model'
  | 'stream'
  | 'admittedAtMs'
  | 'completedAtMs'
  | 'outcome'
  | 'httpStatus'
  | 'estimated'
  | 'usage'
  | 'chargeNanoUsd'
  | 'latencyMs'
  | 'firstByteMs'
> & { endpoint: string; attempts: readonly Attempt[] };

function instant(unixMs: number): string {
  return new Date(unixMs).toISOString();
}

function about(
  call: Pick<Ended, 'requestId' | 'keyId' | 'model' | 'endpoint' | 'stream' | 'admittedAtMs'>,
  status: RequestStatus,
) {
  return {
    object: 'request' as const,
    id: call.requestId,
    status,
    key_id: call.keyId,
    model: call.model,
    endpoint: call.endpoint,
    stream: call.stream,
    created_at: instant(call.admittedAtMs),
  };
}

/** A call in flight: what it costs is not known, but never above what is held. */
export function openView(accepted: AcceptedRecord): RequestBody {
  return { ...about(accepted, 'in_progress'), held_usd: formatUsd(BigInt(accepted.holdNanoUsd)) };
}

/** `lines`: null until the call is booked. */
export function viewOf(
  call: Ended,
  { status, lines }: { status: Exclude<RequestStatus, 'in_progress'>; lines: readonly ChargeLine[] | null },
): RequestBody {
  return {
    ...about(call, status),
    completed_at: instant(call.completedAtMs),
    outcome: call.outcome,
    http_status: call.httpStatus,
    estimated: call.estimated,
    usage: call.usage,
    cost_usd: formatUsd(BigInt(call.chargeNanoUsd)),
    lines:
      lines?.map((line) => ({
        dimension: line.dimension,
        quantity: line.quantity,
        usd_per_million: line.unitPrice,
        amount_usd: formatUsd(BigInt(line.amountNanoUsd)),
      })) ?? null,
    attempts: call.attempts.map((attempt) => ({
      provider: attempt.provider,
      upstream_model: attempt.upstreamModel,
      status: attempt.status,
      failure: attempt.failure,
      latency_ms: attempt.latencyMs,
    })),
    latency_ms: call.latencyMs,
    first_byte_ms: call.firstByteMs,
  };
}
