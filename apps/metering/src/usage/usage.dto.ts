import type { Outcome } from '@tensorloop/contracts/request-completed';
import type { ActivityRow, UsageSum } from '@tensorloop/contracts/rpc';
import type { Usage } from '@tensorloop/contracts/usage';

/** A row of `metering.usage` as the database driver hands it over. */
export interface ActivityDbRow {
  request_id: string;
  admitted_at: Date;
  key_id: string;
  model: string;
  endpoint: string;
  is_stream: boolean;
  outcome: Outcome;
  http_status: number;
  is_estimated: boolean;
  quantities: Usage;
  charge_nano_usd: bigint;
  latency_ms: number;
  first_byte_ms: number | null;
}

export function toActivityRow(row: ActivityDbRow): ActivityRow {
  return {
    requestId: row.request_id,
    admittedAtMs: row.admitted_at.getTime(),
    keyId: row.key_id,
    model: row.model,
    endpoint: row.endpoint,
    stream: row.is_stream,
    outcome: row.outcome,
    httpStatus: row.http_status,
    estimated: row.is_estimated,
    usage: row.quantities,
    chargeNanoUsd: row.charge_nano_usd.toString(),
    latencyMs: row.latency_ms,
    firstByteMs: row.first_byte_ms,
  };
}

/** One grouping of rollups. Sums come as text: a sum of bigints is numeric, which has no bound. */
export interface SumDbRow {
  kind: number;
  day: string;
  model: string;
  key_id: string;
  requests: string;
  input_tokens: string;
  output_tokens: string;
  charge_nano_usd: string;
}

export function toUsageSum(row: SumDbRow): UsageSum {
  return {
    requests: Number(row.requests),
    inputTokens: Number(row.input_tokens),
    outputTokens: Number(row.output_tokens),
    chargeNanoUsd: row.charge_nano_usd,
  };
}
