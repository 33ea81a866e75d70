import type { Attempt, Outcome } from '@tensorloop/contracts/request-completed';
import type { ActivityRow, BookedRequest, UsageSum } from '@tensorloop/contracts/rpc';
import type { Tags } from '@tensorloop/contracts/tags';
import type { Dimension, Usage } from '@tensorloop/contracts/usage';
import { formatDecimal, parseDecimal } from '@tensorloop/kernel/money';

const PRICE_DECIMALS = 12;

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
  project_id: string | null;
  tags: Tags | null;
}

/** As above, with what only the view of one call shows. */
export interface BookedDbRow extends ActivityDbRow {
  completed_at: Date;
  attempts: Attempt[];
}

export interface LineDbRow {
  dimension: Dimension;
  quantity: bigint;
  unit_price: string;
  amount_nano_usd: bigint;
}

export function toBookedRequest(row: BookedDbRow, lines: readonly LineDbRow[]): BookedRequest {
  return {
    ...toActivityRow(row),
    completedAtMs: row.completed_at.getTime(),
    lines: lines.map((line) => ({
      dimension: line.dimension,
      quantity: Number(line.quantity),
      // numeric(38,12) comes back with all its zeros.
      unitPrice: formatDecimal(parseDecimal(line.unit_price, PRICE_DECIMALS), PRICE_DECIMALS),
      amountNanoUsd: line.amount_nano_usd.toString(),
    })),
    attempts: row.attempts,
  };
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
    ...(row.project_id === null ? {} : { projectId: row.project_id }),
    ...(row.tags === null ? {} : { tags: row.tags }),
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
