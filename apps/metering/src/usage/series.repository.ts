import { Inject, Injectable } from '@nestjs/common';
import { SERIES_GROUPS_MAX, SERIES_STACKS_MAX } from '@tensorloop/contracts/usage-series';
import { withTransaction } from '@tensorloop/db/metering-pool';
import { LATENCY_BUCKETS } from '@tensorloop/kernel/latency-histogram';
import type { Pool } from 'pg';
import { READ_POOL, type Tx } from '../database/database.types.js';
import { type GroupedSum, type StackDbRow, type SumDbRow, toGroupedSum, toStackCells } from './series.dto.js';
import type { StackCells } from './stacks.rules.js';
import { partsOf } from './whole-days.rules.js';

const SUM_NAMES = ['requests', 'failed', 'input_tokens', 'output_tokens', 'charge_nano_usd'];
const SUMS = SUM_NAMES.map((name) => `sum(${name})::text AS ${name}`).join(', ');
/** All buckets of a measure as one text: hundreds of columns would cost more to take apart than to add up. */
const buckets = (measure: string) =>
  `concat_ws(',', ${Array.from({ length: LATENCY_BUCKETS }, (_, bucket) => `sum(${measure}_${String(bucket).padStart(2, '0')})`).join(', ')}) AS ${measure}`;
const HISTOGRAMS = `${buckets('latency')}, ${buckets('first_byte')}`;

/** The account's sums as they were at one instant, however many questions are put: calls booked in between are in none of them. */
const SNAPSHOT = 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY';

/** `dimension` and `value` as in metering.attribution_rollups. */
export interface Attribution {
  dimension: string;
  value: string;
}

export interface SeriesRange {
  startMs: number;
  endMs: number;
  keyId: string | null;
  model: string | null;
}

/** By what a stack is made up: a column of the hourly sums, or a dimension of the attributed ones. */
export type Stacking = { column: 'model' | 'key_id' } | { dimension: string };

type HourTable = 'hourly_rollups' | 'model_rollups';

interface Source {
  from: string;
  values: unknown[];
}

/** Reads the hourly sums under the account's row-level security (role metering_app). */
@Injectable()
export class SeriesRepository {
  constructor(@Inject(READ_POOL) private readonly pool: Pool) {}

  /** All that `work` reads is of one instant. */
  inSnapshot<T>(accountId: string, work: (sums: SeriesReader) => Promise<T>): Promise<T> {
    return withTransaction(this.pool, async (tx) => {
      await tx.query(SNAPSHOT);
      await tx.query("SELECT set_config('app.account_id', $1, true)", [accountId]);
      return work(new SeriesReader(tx, accountId));
    });
  }
}

/** One account's, within one transaction. */
export class SeriesReader {
  constructor(
    private readonly tx: Tx,
    private readonly accountId: string,
  ) {}

  /** By the slot, counted from 1, of `startsMs` that an hour is in. */
  listBySlot(range: SeriesRange, options: { startsMs: number[]; withLatency: boolean }): Promise<GroupedSum[]> {
    // The smaller table, which alone has latencies, wherever no key is asked for.
    const isOfKey = range.keyId !== null;
    const source = this.hours(isOfKey ? 'hourly_rollups' : 'model_rollups', range);
    const columns = options.withLatency && !isOfKey ? `${SUMS}, ${HISTOGRAMS}` : SUMS;
    return this.read(grouped(`${slot(source, options.startsMs)}::text`, columns, source.from), source.values);
  }

  /** As above, of one project or one value of a tag. */
  listAttributedBySlot(range: SeriesRange, attribution: Attribution, startsMs: number[]): Promise<GroupedSum[]> {
    const { from, values } = this.attributions(range, attribution.dimension);
    const source = { from: `${from} AND value = $${values.push(attribution.value)}`, values };
    return this.read(grouped(`${slot(source, startsMs)}::text`, SUMS, source.from), values);
  }

  listByModel(range: SeriesRange, { withLatency }: { withLatency: boolean }): Promise<GroupedSum[]> {
    const hours = range.keyId === null ? 'model_rollups' : 'hourly_rollups';
    // Latencies are kept by the hour alone.
    const isByHour = withLatency && range.keyId === null;
    const { from, values } = isByHour ? this.hours(hours, range) : this.days({ column: 'model', hours }, range);
    return this.read(grouped('model', isByHour ? `${SUMS}, ${HISTOGRAMS}` : SUMS, from), values);
  }

  listByKey(range: SeriesRange): Promise<GroupedSum[]> {
    const { from, values } = this.days({ column: 'key_id', hours: 'hourly_rollups' }, range);
    return this.read(grouped('key_id::text', SUMS, from), values);
  }

  /** The dearest values of the dimension, SERIES_GROUPS_MAX at most. */
  listByAttribution(range: SeriesRange, dimension: string): Promise<GroupedSum[]> {
    const { from, values } = this.attributions(range, dimension);
    const order = `ORDER BY sum(charge_nano_usd) DESC, sum(requests) DESC LIMIT ${SERIES_GROUPS_MAX}`;
    return this.read(`${grouped('value', SUMS, from)} ${order}`, values);
  }

  /** All values of a dimension as one sum, whose `group` is how many they are. */
  async sumAttributions(range: SeriesRange, dimension: string): Promise<GroupedSum> {
    const { from, values } = this.attributions(range, dimension);
    const [sum] = await this.read(`SELECT count(DISTINCT value)::text AS group, ${SUMS} FROM ${from}`, values);
    return sum as GroupedSum;
  }

  /** Slot by slot the dearest groups of the whole range, SERIES_STACKS_MAX at most, and all others as one. */
  async listStackCells(range: SeriesRange, stacking: Stacking, startsMs: number[]): Promise<StackCells> {
    const isOfKey = range.keyId !== null || ('column' in stacking && stacking.column === 'key_id');
    const source =
      'dimension' in stacking
        ? this.attributions(range, stacking.dimension)
        : this.hours(isOfKey ? 'hourly_rollups' : 'model_rollups', range);
    const group = 'column' in stacking ? `${stacking.column}::text` : 'value';
    const cells = `SELECT ${slot(source, startsMs)} AS slot, ${group} AS group, ${SUM_NAMES.map((name) => `sum(${name}) AS ${name}`).join(', ')} FROM ${source.from} GROUP BY 1, 2`;
    const text = `
      WITH cells AS MATERIALIZED (${cells}),
        dearest AS (SELECT "group" FROM cells GROUP BY 1 ORDER BY sum(charge_nano_usd) DESC, sum(requests) DESC, 1 LIMIT ${SERIES_STACKS_MAX})
      SELECT slot, d."group" AS group, ${SUMS}, (SELECT count(DISTINCT "group") FROM cells) - (SELECT count(*) FROM dearest) AS others
      FROM cells LEFT JOIN dearest d ON d."group" = cells."group" GROUP BY 1, 2`;
    return toStackCells((await this.tx.query<StackDbRow>(text, source.values)).rows);
  }

  private async read(text: string, values: unknown[]): Promise<GroupedSum[]> {
    return (await this.tx.query<SumDbRow>(text, values)).rows.map(toGroupedSum);
  }

  private attributions({ startMs, endMs }: SeriesRange, dimension: string): Source {
    const from = `metering.attribution_rollups WHERE account_id = $1 AND dimension = $4
      AND hour >= to_timestamp($2::float8) AND hour < to_timestamp($3::float8)`;
    return { from, values: [this.accountId, startMs / 1_000, endMs / 1_000, dimension] };
  }

  private hours(table: HourTable, { startMs, endMs, ...filter }: SeriesRange): Source {
    const values: unknown[] = [this.accountId, startMs / 1_000, endMs / 1_000];
    const from = `metering.${table} WHERE account_id = $1
      AND hour >= to_timestamp($2::float8) AND hour < to_timestamp($3::float8)${filtered(filter, values)}`;
    return { from, values };
  }

  /** Of a range as a whole: its whole days from their own sums, what is left at its ends from `hours`. */
  private days({ column, hours: table }: { column: 'model' | 'key_id'; hours: HourTable }, range: SeriesRange): Source {
    const { hours, days } = partsOf(range);
    const values: unknown[] = [this.accountId];
    const value = (given: unknown) => `$${values.push(given)}`;
    const filters = filtered(range, values);
    const part = (rollups: string, condition: string) =>
      `SELECT ${column}, ${SUM_NAMES.join(', ')} FROM metering.${rollups} WHERE account_id = $1 AND ${condition}${filters}`;
    const parts = hours.map(({ startMs, endMs }) => {
      const [from, until] = [value(startMs / 1_000), value(endMs / 1_000)];
      return part(table, `hour >= to_timestamp(${from}::float8) AND hour < to_timestamp(${until}::float8)`);
    });
    if (days !== null) {
      const [from, until] = [value(days.fromDay), value(days.untilDay)];
      parts.push(part('daily_rollups', `day >= ${from}::date AND day < ${until}::date`));
    }
    return { from: `(${parts.join(' UNION ALL ')}) AS parts`, values };
  }
}

function filtered({ keyId, model }: Pick<SeriesRange, 'keyId' | 'model'>, values: unknown[]): string {
  const filters = [
    ...(keyId === null ? [] : [` AND key_id = $${values.push(keyId)}`]),
    ...(model === null ? [] : [` AND model = $${values.push(model)}`]),
  ];
  return filters.join('');
}

/** Which of the slots an hour is in, counted from 1; adds their beginnings to the values. */
function slot({ values }: Source, startsMs: readonly number[]): string {
  // extract() would count in numeric, which takes longer than all else that is done with a row.
  return `width_bucket(date_part('epoch', hour), $${values.push(startsMs.map((ms) => ms / 1_000))}::float8[])`;
}

function grouped(group: string, columns: string, from: string): string {
  return `SELECT ${group} AS group, ${columns} FROM ${from} GROUP BY 1`;
}
