import { Injectable } from '@nestjs/common';
import { bigints, integers, texts, uuids } from '@tensorloop/db/binary-arrays';
import { LATENCY_BUCKETS } from '@tensorloop/kernel/latency-histogram';
import type { Tx } from '../database/database.types.js';
import type { AttributionAddition, ModelAddition, RollupAddition } from './rollups.rules.js';
import { TAG_VALUES_MAX, type TagHour, tagHourKey } from './tag-values.rules.js';

const MS_PER_SECOND = 1_000;
const SUMS = ['requests', 'failed', 'input_tokens', 'output_tokens', 'charge_nano_usd'] as const;
const COUNTS_PER_ROW = 2 * LATENCY_BUCKETS;

const raise = (column: string) => `${column} = r.${column} + EXCLUDED.${column}`;
const bucketColumns = (measure: string) =>
  Array.from({ length: LATENCY_BUCKETS }, (_, bucket) => `${measure}_${String(bucket).padStart(2, '0')}`);
const COUNTS = [...bucketColumns('latency'), ...bucketColumns('first_byte')];

const PARAMETERS = '$1::uuid[], $2::float8[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]';

/**
 * Hours, and the days that they are of, in one statement: the arrays are sent once, and the days cost the server a few rows more
 * and nobody a round trip. Both tables are written in one order of rows by all replicas.
 */
const ADD = `
  WITH added AS (
    SELECT account_id, to_timestamp(hour) AS hour, key_id, model, ${SUMS.join(', ')}
    FROM unnest(${PARAMETERS}, $8::uuid[], $9::text[]) AS t (account_id, hour, ${SUMS.join(', ')}, key_id, model)
  ), hours AS (
    INSERT INTO metering.hourly_rollups AS r (account_id, hour, key_id, model, ${SUMS.join(', ')})
    SELECT account_id, hour, key_id, model, ${SUMS.join(', ')} FROM added
    ON CONFLICT (account_id, hour, key_id, model) DO UPDATE SET ${SUMS.map(raise).join(', ')}
  )
  INSERT INTO metering.daily_rollups AS r (account_id, day, key_id, model, ${SUMS.join(', ')})
  SELECT account_id, (hour AT TIME ZONE 'UTC')::date, key_id, model, ${SUMS.map((name) => `sum(${name})`).join(', ')}
  FROM added GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
  ON CONFLICT (account_id, day, key_id, model) DO UPDATE SET ${SUMS.map(raise).join(', ')}`;

const ADD_ATTRIBUTIONS = `
  INSERT INTO metering.attribution_rollups AS r (account_id, hour, dimension, value, ${SUMS.join(', ')})
  SELECT account_id, to_timestamp(hour), dimension, value, ${SUMS.join(', ')}
  FROM unnest(${PARAMETERS}, $8::text[], $9::text[]) AS t (account_id, hour, ${SUMS.join(', ')}, dimension, value)
  ON CONFLICT (account_id, dimension, hour, value) DO UPDATE SET ${SUMS.map(raise).join(', ')}`;

/** The counts of all rows are one array, so that a batch has one parameter for them and not one per bucket. */
const ADD_MODELS = `
  INSERT INTO metering.model_rollups AS r (account_id, hour, model, ${[...SUMS, ...COUNTS].join(', ')})
  SELECT account_id, to_timestamp(hour), model, ${SUMS.join(', ')},
    ${COUNTS.map((_, at) => `($9::integer[])[(i - 1) * ${COUNTS_PER_ROW} + ${at + 1}]`).join(', ')}
  FROM unnest(${PARAMETERS}, $8::text[]) WITH ORDINALITY AS t (account_id, hour, ${SUMS.join(', ')}, model, i)
  ON CONFLICT (account_id, hour, model) DO UPDATE SET ${[...SUMS, ...COUNTS].map(raise).join(', ')}`;

/** Numbers, from 1, of the additions that have no row yet. */
const LIST_NEW = `
  SELECT i::integer AS at
  FROM unnest($1::uuid[], $2::text[], $3::float8[], $4::text[]) WITH ORDINALITY AS t (account_id, dimension, hour, value, i)
  WHERE NOT EXISTS (SELECT FROM metering.attribution_rollups r
    WHERE r.account_id = t.account_id AND r.dimension = t.dimension AND r.hour = to_timestamp(t.hour) AND r.value = t.value)`;

/** By account and not by tag: a batch may have thousands of tags, and the server's table of locks has an end. */
const LOCK_TAG_VALUES = `SELECT pg_advisory_xact_lock(hashtextextended('metering.tag_values ' || id, 0)) FROM unnest($1::text[]) AS id`;

/** One more than there may be: the row of all others. */
const LIST_TAG_VALUES = `
  SELECT t.i::integer AS at, v.value
  FROM unnest($1::uuid[], $2::text[], $3::float8[]) WITH ORDINALITY AS t (account_id, dimension, hour, i)
  CROSS JOIN LATERAL (SELECT r.value FROM metering.attribution_rollups r
    WHERE r.account_id = t.account_id AND r.dimension = t.dimension AND r.hour = to_timestamp(t.hour)
    LIMIT ${TAG_VALUES_MAX + 1}) v`;

/** Writes for all accounts (role metering_ingest), hence no account id as first argument. */
@Injectable()
export class RollupsRepository {
  async add(tx: Tx, additions: readonly RollupAddition[]): Promise<void> {
    const group = [uuids(additions.map((addition) => addition.keyId)), texts(additions.map((addition) => addition.model))];
    await tx.query({ name: 'add_rollups', text: ADD, values: [...sumsOf(additions), ...group] });
  }

  async addModels(tx: Tx, additions: readonly ModelAddition[]): Promise<void> {
    const models = texts(additions.map((addition) => addition.model));
    const counts = integers(additions.flatMap((addition) => addition.counts));
    await tx.query({ name: 'add_model_rollups', text: ADD_MODELS, values: [...sumsOf(additions), models, counts] });
  }

  async addAttributions(tx: Tx, additions: readonly AttributionAddition[]): Promise<void> {
    const group = [texts(additions.map((addition) => addition.dimension)), texts(additions.map((addition) => addition.value))];
    await tx.query({ name: 'add_attribution_rollups', text: ADD_ATTRIBUTIONS, values: [...sumsOf(additions), ...group] });
  }

  /** Those of which nothing is summed yet. */
  async listNew(tx: Tx, additions: readonly AttributionAddition[]): Promise<AttributionAddition[]> {
    const values = [...hoursOf(additions), texts(additions.map((addition) => addition.value))];
    const { rows } = await tx.query<{ at: number }>({ name: 'list_new_attributions', text: LIST_NEW, values });
    return rows.map(({ at }) => additions[at - 1] as AttributionAddition);
  }

  /** Until the transaction ends nobody else gives these accounts further values. Sorted ids. */
  async lockTagValues(tx: Tx, accountIds: readonly string[]): Promise<void> {
    await tx.query({ name: 'lock_tag_values', text: LOCK_TAG_VALUES, values: [accountIds] });
  }

  /** The values of each hour, by its key. */
  async listTagValues(tx: Tx, hours: readonly TagHour[]): Promise<Map<string, Set<string>>> {
    const found = new Map(hours.map((hour) => [tagHourKey(hour), new Set<string>()]));
    const values = hoursOf(hours);
    const { rows } = await tx.query<{ at: number; value: string }>({ name: 'list_tag_values', text: LIST_TAG_VALUES, values });
    for (const { at, value } of rows) found.get(tagHourKey(hours[at - 1] as TagHour))?.add(value);
    return found;
  }
}

function sumsOf(additions: readonly (RollupAddition | ModelAddition | AttributionAddition)[]): unknown[] {
  return [
    uuids(additions.map((addition) => addition.accountId)),
    additions.map((addition) => addition.hourMs / MS_PER_SECOND),
    bigints(additions.map((addition) => addition.requests)),
    bigints(additions.map((addition) => addition.failed)),
    bigints(additions.map((addition) => addition.inputTokens)),
    bigints(additions.map((addition) => addition.outputTokens)),
    bigints(additions.map((addition) => addition.chargeNanoUsd)),
  ];
}

function hoursOf(hours: readonly TagHour[]): unknown[] {
  return [
    uuids(hours.map((hour) => hour.accountId)),
    texts(hours.map((hour) => hour.dimension)),
    hours.map((hour) => hour.hourMs / MS_PER_SECOND),
  ];
}
