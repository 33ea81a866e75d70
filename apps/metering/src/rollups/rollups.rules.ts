import { isFailed, type RequestCompleted } from '@tensorloop/contracts/request-completed';
import { OTHER_TAGS } from '@tensorloop/contracts/tags';
import type { Dimension, Usage } from '@tensorloop/contracts/usage';
import { LATENCY_BUCKETS, latencyBucket } from '@tensorloop/kernel/latency-histogram';
import type { NanoUsd } from '@tensorloop/kernel/money';
import type { PricedCall } from '../usage/usage.types.js';

const HOUR_MS = 60 * 60 * 1000;

/** What calls come to, in whatever way they are grouped. */
export interface CallSums {
  requests: number;
  failed: number;
  inputTokens: number;
  outputTokens: number;
  chargeNanoUsd: NanoUsd;
}

/** What the calls of one batch add to one hour of an account. */
interface HourSums extends CallSums {
  accountId: string;
  /** Unix milliseconds, full hour in UTC, by the admission clock: the hours of a day sum to its billing day. */
  hourMs: number;
}

export interface RollupAddition extends HourSums {
  keyId: string;
  model: string;
}

export interface ModelAddition extends HourSums {
  model: string;
  /** Calls by bucket of latency, then by bucket of first byte. A correction takes back what its estimate had counted. */
  counts: number[];
}

export interface AttributionAddition extends HourSums {
  /** "project", or "tag:" and the tag's name. */
  dimension: string;
  value: string;
}

/** Sums calls per (account, hour, key, model), sorted by it: replicas lock the rows in one order. */
export function toRollupAdditions(calls: readonly PricedCall[]): RollupAddition[] {
  const rows = new Rows<RollupAddition>();
  for (const call of calls) {
    const { keyId, model } = call.event;
    addSums(
      rows.at(call, [keyId, model], () => ({ keyId, model })),
      call,
    );
  }
  return rows.sorted();
}

/** As above, per (account, hour, model), with the histograms of latency. */
export function toModelAdditions(calls: readonly PricedCall[]): ModelAddition[] {
  const rows = new Rows<ModelAddition>();
  for (const call of calls) {
    const { model } = call.event;
    const row = rows.at(call, [model], () => ({ model, counts: new Array<number>(2 * LATENCY_BUCKETS).fill(0) }));
    addSums(row, call);
    countLatency(row.counts, call.event, 1);
    if (call.corrects !== undefined) countLatency(row.counts, call.corrects.booked, -1);
  }
  return rows.sorted();
}

/**
 * As above, per (account, dimension, hour, value): once in each dimension that a call has. A correction counts where its estimate
 * did. Tags that are not told apart in their hour are one dimension with one value.
 */
export function toAttributionAdditions(
  calls: readonly PricedCall[],
  isToldApart: (tag: Pick<AttributionAddition, 'accountId' | 'hourMs' | 'dimension'>) => boolean = () => true,
): AttributionAddition[] {
  const rows = new Rows<AttributionAddition>();
  for (const call of calls) {
    const { accountId, admittedAtMs } = call.event;
    const isNamed = (dimension: string) => isToldApart({ accountId, hourMs: hourOf(admittedAtMs), dimension });
    for (const [dimension, value] of attributionsOf(call.corrects?.booked ?? call.event, isNamed)) {
      addSums(
        rows.at(call, [dimension, value], () => ({ dimension, value })),
        call,
      );
    }
  }
  return rows.sorted();
}

function* attributionsOf(
  { projectId, tags }: Pick<RequestCompleted, 'projectId' | 'tags'>,
  isNamed: (dimension: string) => boolean,
): Generator<[string, string]> {
  if (projectId !== undefined) yield ['project', projectId];
  let hasOthers = false;
  for (const name in tags) {
    if (isNamed(`tag:${name}`)) yield [`tag:${name}`, tags[name] as string];
    else hasOthers = true;
  }
  if (hasOthers) yield [`tag:${OTHER_TAGS}`, OTHER_TAGS];
}

function addSums(sums: CallSums, { event, chargeNanoUsd, corrects }: PricedCall): void {
  sums.requests += corrects === undefined ? 1 : 0;
  sums.failed += failures(event) - (corrects === undefined ? 0 : failures(corrects.booked));
  sums.inputTokens += tokensOf(event.usage, 'input');
  sums.outputTokens += tokensOf(event.usage, 'output');
  sums.chargeNanoUsd += chargeNanoUsd;
}

const failures = ({ outcome }: Pick<RequestCompleted, 'outcome'>) => (isFailed(outcome) ? 1 : 0);

function countLatency(
  counts: number[],
  { latencyMs, firstByteMs }: Pick<RequestCompleted, 'latencyMs' | 'firstByteMs'>,
  by: 1 | -1,
): void {
  const latency = latencyBucket(latencyMs);
  counts[latency] = (counts[latency] as number) + by;
  if (firstByteMs === null) return;
  const firstByte = LATENCY_BUCKETS + latencyBucket(firstByteMs);
  counts[firstByte] = (counts[firstByte] as number) + by;
}

const hourOf = (ms: number) => ms - (ms % HOUR_MS);

/** Rows of one batch by what they are grouped by. */
class Rows<Row extends HourSums> {
  private readonly rows = new Map<string, Row>();

  at({ event }: PricedCall, group: readonly string[], create: () => Omit<Row, keyof HourSums>): Row {
    const { accountId, admittedAtMs } = event;
    const hourMs = hourOf(admittedAtMs);
    const key = `${accountId} ${String(hourMs).padStart(16, '0')} ${group.join(' ')}`;
    let row = this.rows.get(key);
    if (row === undefined) {
      const sums = { accountId, hourMs, requests: 0, failed: 0, inputTokens: 0, outputTokens: 0, chargeNanoUsd: 0n };
      row = { ...sums, ...create() } as Row;
      this.rows.set(key, row);
    }
    return row;
  }

  sorted(): Row[] {
    return [...this.rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  }
}

/** Tokens of one side: every dimension is named after the side it belongs to. */
export function tokensOf(usage: Usage, side: 'input' | 'output'): number {
  let sum = 0;
  for (const dimension in usage) if (dimension.startsWith(side)) sum += usage[dimension as Dimension] ?? 0;
  return sum;
}
