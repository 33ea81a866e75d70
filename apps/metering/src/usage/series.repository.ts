import { Inject, Injectable } from '@nestjs/common';
import { SERIES_GROUPS_MAX } from '@tensorloop/contracts/usage-series';
import { withAccount } from '@tensorloop/db/metering-pool';
import { LATENCY_BUCKETS } from '@tensorloop/kernel/latency-histogram';
import type { Pool } from 'pg';
import { READ_POOL } from '../database/database.types.js';
import type { GroupSum } from './series.rules.js';

const SUMS = `sum(requests)::text AS requests, sum(failed)::text AS failed, sum(input_tokens)::text AS input_tokens,
    sum(output_tokens)::text AS output_tokens, sum(charge_nano_usd)::text AS charge_nano_usd`;
/** All buckets of a measure as one text: hundreds of columns would cost more to take apart than to add up. */
const buckets = (measure: string) =>
  `concat_ws(',', ${Array.from({ length: LATENCY_BUCKETS }, (_, bucket) => `sum(${measure}_${String(bucket).padStart(2, '0')})`).join(', ')}) AS ${measure}`;
const HISTOGRAMS = `${buckets('latency')}, ${buckets('first_byte')}`;

export interface SeriesRange {
  startMs: number;
  endMs: number;
  keyId: string | null;
  model: string | null;
}

interface SumDbRow {
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

export type GroupedSum = GroupSum & { group: string };

/** Reads the hourly sums under the account's row-level security (role metering_app). */
@Injectable()
export class SeriesRepository {
  constructor(@Inject(READ_POOL) private readonly pool: Pool) {}

  /** By the slot, counted from 1, of `startsMs` that an hour is in. */
  listBySlot(
    accountId: string,
    range: SeriesRange,
    options: { startsMs: number[]; withLatency: boolean },
  ): Promise<GroupedSum[]> {
    const { text, values } = hours(accountId, range, options.withLatency);
    const slots = `width_bucket(extract(epoch FROM hour)::float8, $${values.length + 1}::float8[])`;
    return this.read(accountId, grouped(`${slots}::text`, text), [...values, options.startsMs.map((ms) => ms / 1_000)]);
  }

  listByModel(accountId: string, range: SeriesRange, options: { withLatency: boolean }): Promise<GroupedSum[]> {
    const { text, values } = hours(accountId, range, options.withLatency);
    return this.read(accountId, grouped('model', text), values);
  }

  listByKey(accountId: string, range: SeriesRange): Promise<GroupedSum[]> {
    const { text, values } = hoursOf('hourly_rollups', accountId, range);
    return this.read(accountId, grouped('key_id::text', { from: text, columns: SUMS }), values);
  }

  /** `dimension` as in metering.attribution_rollups. The dearest values of it, SERIES_GROUPS_MAX at most. */
  listByAttribution(accountId: string, range: SeriesRange, dimension: string): Promise<GroupedSum[]> {
    const { from, values } = attributions(accountId, range, dimension);
    const text = `${grouped('value', { from, columns: SUMS })} ORDER BY sum(charge_nano_usd) DESC, sum(requests) DESC LIMIT ${SERIES_GROUPS_MAX}`;
    return this.read(accountId, text, values);
  }

  /** All values of a dimension as one sum, whose `group` is how many they are. */
  async sumAttributions(accountId: string, range: SeriesRange, dimension: string): Promise<GroupedSum> {
    const { from, values } = attributions(accountId, range, dimension);
    const [sum] = await this.read(accountId, `SELECT count(DISTINCT value)::text AS group, ${SUMS} FROM ${from}`, values);
    return sum as GroupedSum;
  }

  private async read(accountId: string, text: string, values: unknown[]): Promise<GroupedSum[]> {
    return withAccount(this.pool, accountId, async (tx) => (await tx.query<SumDbRow>(text, values)).rows.map(toGroupedSum));
  }
}

function grouped(group: string, { from, columns }: { from: string; columns: string }): string {
  return `SELECT ${group} AS group, ${columns} FROM ${from} GROUP BY 1`;
}

function attributions(accountId: string, range: SeriesRange, dimension: string) {
  const from = `metering.attribution_rollups WHERE account_id = $1 AND dimension = $4
    AND hour >= to_timestamp($2::float8) AND hour < to_timestamp($3::float8)`;
  return { from, values: [accountId, range.startMs / 1_000, range.endMs / 1_000, dimension] };
}

/** The smaller table, which alone has latencies, wherever no key is asked for. */
function hours(accountId: string, range: SeriesRange, withLatency: boolean) {
  const isOfKey = range.keyId !== null;
  const { text, values } = hoursOf(isOfKey ? 'hourly_rollups' : 'model_rollups', accountId, range);
  return { text: { from: text, columns: withLatency && !isOfKey ? `${SUMS}, ${HISTOGRAMS}` : SUMS }, values };
}

function hoursOf(table: 'hourly_rollups' | 'model_rollups', accountId: string, range: SeriesRange) {
  const values: unknown[] = [accountId, range.startMs / 1_000, range.endMs / 1_000];
  const filters = [
    ...(range.keyId === null ? [] : [` AND key_id = $${values.push(range.keyId)}`]),
    ...(range.model === null ? [] : [` AND model = $${values.push(range.model)}`]),
  ];
  const text = `metering.${table} WHERE account_id = $1
    AND hour >= to_timestamp($2::float8) AND hour < to_timestamp($3::float8)${filters.join('')}`;
  return { text, values };
}

function toGroupedSum(row: SumDbRow): GroupedSum {
  const counts = (text: string | undefined) => text?.split(',').map(Number);
  const [latency, firstByte] = [counts(row.latency), counts(row.first_byte)];
  return {
    group: row.group ?? '',
    sum: {
      requests: Number(row.requests),
      failed: Number(row.failed),
      inputTokens: Number(row.input_tokens),
      outputTokens: Number(row.output_tokens),
      chargeNanoUsd: row.charge_nano_usd ?? '0',
    },
    ...(latency === undefined || firstByte === undefined ? {} : { latency, firstByte }),
  };
}
