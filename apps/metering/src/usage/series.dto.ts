import type { SeriesSum } from '@tensorloop/contracts/usage-series';
import type { GroupSum } from './series.rules.js';
import type { StackCells } from './stacks.rules.js';

export interface SumDbRow {
  group: string | null;
  /** Null of no rows, all of them. */
  requests: string | null;
  failed: string | null;
  input_tokens: string | null;
  output_tokens: string | null;
  charge_nano_usd: string | null;
  latency?: string;
  first_byte?: string;
}

/** `slot` counts from 1; `others` is the same in every row. */
export type StackDbRow = SumDbRow & { slot: number; others: bigint };

export type GroupedSum = GroupSum & { group: string };

export function toGroupedSum(row: SumDbRow): GroupedSum {
  const counts = (text: string | undefined) => text?.split(',').map(Number);
  const [latency, firstByte] = [counts(row.latency), counts(row.first_byte)];
  return {
    group: row.group ?? '',
    sum: toSum(row),
    ...(latency === undefined || firstByte === undefined ? {} : { latency, firstByte }),
  };
}

export function toStackCells(rows: readonly StackDbRow[]): StackCells {
  return {
    cells: rows.map((row) => ({ slot: row.slot - 1, group: row.group, sum: toSum(row) })),
    others: Number(rows[0]?.others ?? 0),
  };
}

function toSum(row: SumDbRow): SeriesSum {
  return {
    requests: Number(row.requests),
    failed: Number(row.failed),
    inputTokens: Number(row.input_tokens),
    outputTokens: Number(row.output_tokens),
    chargeNanoUsd: row.charge_nano_usd ?? '0',
  };
}
