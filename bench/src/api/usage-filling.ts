import { LATENCY_BOUNDS_MS } from '@tensorloop/kernel/latency-histogram';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { Client } from 'pg';
import type { FilledAccount, FilledRows } from './api.types.js';

/** The calls are spread over them, up to now. */
export const FILLED_DAYS = 90;
const SECONDS_PER_DAY = 86_400;
/** Calls of another account between them, so that no index is the account's alone: one for ten. */
const OTHERS_SHARE = 10;
/** Kept for 30 days. */
const REFUSALS = 5_000;
const MODELS = 5;

const FAILED = `outcome IN ('upstream_error', 'upstream_cut', 'gateway_died')`;
const SUMS = `count(*), count(*) FILTER (WHERE ${FAILED}), count(*) * 1000, count(*) * 200, sum(charge_nano_usd)`;
const SUM_NAMES = 'requests, failed, input_tokens, output_tokens, charge_nano_usd';

/** $1 account, $2 calls, $3 its keys, $4 its projects, $5 seconds between two calls. Three calls in five have a project, half have tags. */
const CALLS = `
  INSERT INTO metering.usage (usage_day, request_id, account_id, key_id, model, endpoint, gateway_id, is_stream, outcome, http_status,
    is_estimated, admitted_at, completed_at, window_index, window_start, billing_day, price_version_id, quantities, hold_nano_usd,
    charge_nano_usd, overrun_nano_usd, latency_ms, first_byte_ms, attempts, payload_hash, project_id, project_window_index, tags)
  SELECT metering.uuid7_day(id), id, $1, ($3::uuid[])[key], 'model-' || (1 + (key + i % 2) % ${MODELS}), 'chat.completions', 'bench', true,
    CASE WHEN i % 97 = 0 THEN 'upstream_error' WHEN i % 1009 = 0 THEN 'gateway_died' ELSE 'completed' END,
    CASE WHEN i % 97 = 0 THEN 502 ELSE 200 END, i % 1009 = 0, at, at + interval '1 second', 0, at - interval '1 day',
    (at AT TIME ZONE 'UTC')::date, $1, '{"input": 1000, "output": 200}', 1000000, 270000, 0, 100 + (hashint4(i) & 8191),
    50 + (hashint4(i) & 511), '[{"provider": "openai", "upstreamModel": "m", "status": 200, "failure": null, "latencyMs": 100}]',
    sha256(i::text::bytea),
    CASE WHEN key * 5 <= cardinality($3::uuid[]) * 3 THEN ($4::uuid[])[1 + key % cardinality($4::uuid[])] END,
    CASE WHEN key * 5 <= cardinality($3::uuid[]) * 3 THEN 0 END,
    CASE WHEN (hashint4(i) & 1) = 0 THEN jsonb_build_object('team', 'team-' || key % 8, 'environment', CASE WHEN i % 50 = 0 THEN 'test' ELSE 'live' END) END
  FROM (SELECT i, uuidv7(-(i * $5::float8 * interval '1 second')) AS id, now() - i * $5::float8 * interval '1 second' AS at,
      1 + (hashint4(i * 7) & 1048575) % cardinality($3::uuid[]) AS key
    FROM generate_series(1, $2::integer) AS i) AS calls`;

const REFUSED = `
  INSERT INTO metering.refusals (account_id, request_id, key_id, model, endpoint, code, http_status, count, first_at, last_at, gateway_id)
  SELECT $1, uuidv7(-(i * interval '8 minutes')), ($3::uuid[])[1 + i % cardinality($3::uuid[])], 'model-1', 'chat.completions',
    'rate_limit_exceeded', 429, 1, now() - i * interval '8 minutes', now() - i * interval '8 minutes', 'bench'
  FROM generate_series(1, $2::integer) AS i`;

const histogram = (measure: string) =>
  LATENCY_BOUNDS_MS.concat(Number.POSITIVE_INFINITY).map((_, bucket) => ({
    name: `${measure}_${String(bucket).padStart(2, '0')}`,
    count: `count(*) FILTER (WHERE width_bucket(${measure}_ms, ARRAY[${LATENCY_BOUNDS_MS.join(', ')}]::float8[]) = ${bucket})`,
  }));
const HISTOGRAMS = [...histogram('latency'), ...histogram('first_byte')];

/** What metering writes with each call, from the calls. All that reads them later is the product's own. */
const DERIVED = [
  `INSERT INTO metering.usage_tags (usage_day, account_id, name, value, request_id)
   SELECT usage_day, account_id, name, value, request_id FROM metering.usage, jsonb_each_text(tags) AS tag (name, value)`,
  `INSERT INTO metering.tag_names (account_id, name, since) SELECT DISTINCT account_id, name, '-infinity'::timestamptz FROM metering.usage_tags`,
  `INSERT INTO metering.charges (usage_day, request_id, line, account_id, dimension, quantity, unit_price, amount_nano_usd,
     price_version_id, ledger_transaction_id)
   SELECT usage_day, request_id, 0, account_id, 'input', 1000, 0.27, charge_nano_usd, price_version_id, price_version_id FROM metering.usage`,
  `INSERT INTO metering.hourly_rollups (account_id, hour, key_id, model, ${SUM_NAMES})
   SELECT account_id, date_trunc('hour', admitted_at, 'UTC'), key_id, model, ${SUMS} FROM metering.usage GROUP BY 1, 2, 3, 4`,
  `INSERT INTO metering.daily_rollups (account_id, day, key_id, model, ${SUM_NAMES})
   SELECT account_id, (admitted_at AT TIME ZONE 'UTC')::date, key_id, model, ${SUMS} FROM metering.usage GROUP BY 1, 2, 3, 4`,
  `INSERT INTO metering.attribution_rollups (account_id, dimension, hour, value, ${SUM_NAMES})
   SELECT account_id, 'project', date_trunc('hour', admitted_at, 'UTC'), project_id, ${SUMS} FROM metering.usage
   WHERE project_id IS NOT NULL GROUP BY 1, 3, 4`,
  `INSERT INTO metering.attribution_rollups (account_id, dimension, hour, value, ${SUM_NAMES})
   SELECT account_id, 'tag:' || name, date_trunc('hour', admitted_at, 'UTC'), value, ${SUMS}
   FROM metering.usage, jsonb_each_text(tags) AS tag (name, value) GROUP BY 1, 2, 3, 4`,
  `INSERT INTO metering.model_rollups (account_id, hour, model, ${SUM_NAMES}, ${HISTOGRAMS.map(({ name }) => name).join(', ')})
   SELECT account_id, date_trunc('hour', admitted_at, 'UTC'), model, ${SUMS}, ${HISTOGRAMS.map(({ count }) => count).join(', ')}
   FROM metering.usage GROUP BY 1, 2, 3`,
  `INSERT INTO metering.scope_totals (account_id, scope, total_nano_usd, version, last_at)
   SELECT account_id, 'window:' || key_id || ':0', sum(charge_nano_usd), 1, max(admitted_at) FROM metering.usage GROUP BY 1, 2`,
];

/** Gives the account its calls, as metering would have booked them, and others some. As the database's superuser. */
export async function fillUsage(client: Client, account: FilledAccount, rows: number): Promise<void> {
  await client.query(
    `SELECT metering.ensure_usage_partitions(day::date)
     FROM generate_series(now() - $1 * interval '1 day', now() + interval '1 day', interval '1 day') AS day`,
    [FILLED_DAYS + 2],
  );
  const spacing = (calls: number) => (FILLED_DAYS * SECONDS_PER_DAY) / calls;
  await client.query(CALLS, [account.accountId, rows, account.keyIds, account.projectIds, spacing(rows)]);
  const other = uuid7();
  const others = Math.floor(rows / OTHERS_SHARE);
  await client.query(CALLS, [other, others, [other], [other], spacing(others)]);
  await client.query(REFUSED, [account.accountId, REFUSALS, account.keyIds]);
  for (const sql of DERIVED) await client.query(sql);
  await client.query('VACUUM (ANALYZE)');
}

const TABLES = [
  'usage',
  'usage_tags',
  'charges',
  'refusals',
  'hourly_rollups',
  'daily_rollups',
  'model_rollups',
  'attribution_rollups',
  'scope_totals',
] as const;

/** How often the calls of the account stand in each table of sums, which must be once (in all projects and tags: once for each). */
const SUMMED = `
  SELECT (SELECT sum(requests) FROM metering.hourly_rollups WHERE account_id = $1)::integer AS hourly,
    (SELECT sum(requests) FROM metering.daily_rollups WHERE account_id = $1)::integer AS daily,
    (SELECT sum(requests) FROM metering.model_rollups WHERE account_id = $1)::integer AS models,
    (SELECT sum(requests) FROM metering.attribution_rollups WHERE account_id = $1)::integer AS attributed,
    (SELECT count(project_id) FROM metering.usage WHERE account_id = $1)::integer
      + (SELECT count(*) FROM metering.usage_tags WHERE account_id = $1)::integer AS attributions`;

/** Rows by table; throws unless there are as many calls as were wanted, in every sum. */
export async function countFilled(client: Client, accountId: string, rowsWanted: number): Promise<FilledRows> {
  const rows: FilledRows = {};
  for (const table of TABLES) {
    const sql = `SELECT count(*)::integer AS rows FROM metering.${table} WHERE account_id = $1`;
    rows[table] = (await client.query<{ rows: number }>(sql, [accountId])).rows[0]?.rows ?? 0;
    if (rows[table] === 0) throw new Error(`metering.${table} was filled with nothing`);
  }
  const [summed] = (await client.query<Record<string, number>>(SUMMED, [accountId])).rows;
  const found = [rows.usage, rows.charges, summed?.hourly, summed?.daily, summed?.models];
  if (found.some((count) => count !== rowsWanted) || summed?.attributed !== summed?.attributions) {
    throw new Error(`${rowsWanted} calls were to be filled in; found ${JSON.stringify({ ...rows, ...summed })}`);
  }
  return rows;
}
