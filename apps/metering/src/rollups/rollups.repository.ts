import { Injectable } from '@nestjs/common';
import { bigints, integers, texts, uuids } from '@tensorloop/db/binary-arrays';
import { LATENCY_BUCKETS } from '@tensorloop/kernel/latency-histogram';
import type { Tx } from '../database/database.types.js';
import type { AttributionAddition, ModelAddition, RollupAddition } from './rollups.rules.js';

const MS_PER_SECOND = 1_000;
const SUMS = ['requests', 'failed', 'input_tokens', 'output_tokens', 'charge_nano_usd'] as const;
const COUNTS_PER_ROW = 2 * LATENCY_BUCKETS;

const raise = (column: string) => `${column} = r.${column} + EXCLUDED.${column}`;
const bucketColumns = (measure: string) =>
  Array.from({ length: LATENCY_BUCKETS }, (_, bucket) => `${measure}_${String(bucket).padStart(2, '0')}`);
const COUNTS = [...bucketColumns('latency'), ...bucketColumns('first_byte')];

const PARAMETERS = '$1::uuid[], $2::float8[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]';

function addRows(table: string, group: readonly [column: string, type: string][]): string {
  const names = group.map(([column]) => column).join(', ');
  const arrays = group.map(([, type], at) => `$${at + 8}::${type}[]`).join(', ');
  const sums = SUMS.join(', ');
  return `
  INSERT INTO metering.${table} AS r (account_id, hour, ${names}, ${sums})
  SELECT account_id, to_timestamp(hour), ${names}, ${sums}
  FROM unnest(${PARAMETERS}, ${arrays}) AS t (account_id, hour, ${sums}, ${names})
  ON CONFLICT (account_id, hour, ${names}) DO UPDATE SET ${SUMS.map(raise).join(', ')}`;
}

const ADD = addRows('hourly_rollups', [
  ['key_id', 'uuid'],
  ['model', 'text'],
]);
const ADD_ATTRIBUTIONS = addRows('attribution_rollups', [
  ['dimension', 'text'],
  ['value', 'text'],
]);

/** The counts of all rows are one array, so that a batch has one parameter for them and not one per bucket. */
const ADD_MODELS = `
  INSERT INTO metering.model_rollups AS r (account_id, hour, model, ${[...SUMS, ...COUNTS].join(', ')})
  SELECT account_id, to_timestamp(hour), model, ${SUMS.join(', ')},
    ${COUNTS.map((_, at) => `($9::integer[])[(i - 1) * ${COUNTS_PER_ROW} + ${at + 1}]`).join(', ')}
  FROM unnest(${PARAMETERS}, $8::text[]) WITH ORDINALITY AS t (account_id, hour, ${SUMS.join(', ')}, model, i)
  ON CONFLICT (account_id, hour, model) DO UPDATE SET ${[...SUMS, ...COUNTS].map(raise).join(', ')}`;

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
