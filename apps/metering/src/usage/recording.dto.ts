import type { Endpoint } from '@tensorloop/contracts/endpoint';
import type { Outcome } from '@tensorloop/contracts/request-completed';
import type { Tags } from '@tensorloop/contracts/tags';
import type { Usage } from '@tensorloop/contracts/usage';
import type { BookedCall } from './correction.types.js';

/** A row of `metering.usage` as the database driver hands it to whoever compares it with a further event of its call. */
export interface BookedDbRow {
  request_id: string;
  account_id: string;
  key_id: string;
  model: string;
  endpoint: Endpoint;
  gateway_id: string;
  is_stream: boolean;
  outcome: Outcome;
  admitted_at: Date;
  window_index: number;
  window_start: Date;
  billing_day: string;
  price_version_id: string;
  quantities: Usage;
  hold_nano_usd: bigint;
  charge_nano_usd: bigint;
  is_prepaid: boolean;
  payload_hash: Buffer;
  latency_ms: number;
  first_byte_ms: number | null;
  project_id: string | null;
  project_window_index: number | null;
  tags: Tags | null;
}

export function toBookedCall(row: BookedDbRow): BookedCall {
  return {
    requestId: row.request_id,
    accountId: row.account_id,
    keyId: row.key_id,
    model: row.model,
    endpoint: row.endpoint,
    gatewayId: row.gateway_id,
    stream: row.is_stream,
    outcome: row.outcome,
    admittedAtMs: row.admitted_at.getTime(),
    windowIndex: row.window_index,
    windowStartMs: row.window_start.getTime(),
    day: row.billing_day,
    priceVersionId: row.price_version_id,
    usage: row.quantities,
    holdNanoUsd: row.hold_nano_usd.toString(),
    chargeNanoUsd: row.charge_nano_usd,
    isPrepaid: row.is_prepaid,
    payloadHash: row.payload_hash,
    latencyMs: row.latency_ms,
    firstByteMs: row.first_byte_ms,
    ...(row.project_id === null ? {} : { projectId: row.project_id }),
    ...(row.project_window_index === null ? {} : { projectWindowIndex: row.project_window_index }),
    ...(row.tags === null ? {} : { tags: row.tags }),
  };
}
