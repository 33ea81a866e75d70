import { DIMENSIONS } from '@tensorloop/contracts/usage';
import { LATENCY_BOUNDS_MS, LATENCY_BUCKETS } from '@tensorloop/kernel/latency-histogram';
import type { SqlCheck } from './sql-check.js';

/** Written again in SQL on purpose: a mistake in the product's own code must not hide itself by being used on both sides. */
function sideTokens(side: 'input' | 'output'): string {
  return DIMENSIONS.filter((dimension) => dimension.startsWith(side))
    .map((dimension) => `coalesce((quantities ->> '${dimension}')::bigint, 0)`)
    .join(' + ');
}

const FAILED = `outcome IN ('upstream_error', 'upstream_cut', 'gateway_died')`;
const HOUR = `date_trunc('hour', admitted_at, 'UTC') AS hour`;
const DAY = `(admitted_at AT TIME ZONE 'UTC')::date AS day`;
const OF_CALLS = `concat_ws(' ', count(*), 'calls', count(*) FILTER (WHERE ${FAILED}), 'failed', sum(${sideTokens('input')}), 'in',
  sum(${sideTokens('output')}), 'out', sum(charge_nano_usd), 'nano-USD')`;
const OF_ROLLUP = `concat_ws(' ', requests, 'calls', failed, 'failed', input_tokens, 'in', output_tokens, 'out', charge_nano_usd, 'nano-USD')`;

/** `calls` and `table` have the columns of `group` and of the time, an hour or a day, and agree row by row. */
function rollupCheck(
  name: string,
  about: { table: string; time?: 'hour' | 'day'; group: readonly string[]; calls: string; kept?: string },
): SqlCheck {
  const { time = 'hour', kept = 'true' } = about;
  const group = ['account_id', time, ...about.group].join(', ');
  const subject = about.group.map((column) => `' ${column} ' || ${column}`).join(' || ');
  return {
    name,
    population: `SELECT count(*) FROM metering.${about.table}`,
    violations: `SELECT 'account ' || account_id || ' ${time} ' || ${time} || ${subject} AS subject,
             coalesce(u.sums, 'nothing') AS expected, coalesce(r.sums, 'nothing') AS actual
      FROM (SELECT ${group}, ${OF_CALLS} AS sums FROM ${about.calls} GROUP BY ${group}) u
      FULL JOIN (SELECT ${group}, ${OF_ROLLUP} AS sums FROM metering.${about.table} WHERE ${kept}) r USING (${group})
      WHERE u.sums IS DISTINCT FROM r.sums`,
  };
}

/** Values of a tag that metering tells apart in an hour; said again here on purpose. */
const TAG_VALUES_MAX = 500;

/** Sums of tags may go after 800 days; those that may be gone already are not compared. */
const KEPT = `now() - interval '799 days'`;

/**
 * A call counts once for its project, and once for each of its tags: in the row of its value or, if the hour is full, in that of the
 * others. All its tags whose names are not told apart in its hour are one, '(other)'.
 */
const ATTRIBUTED_CALLS = `(SELECT u.*, a.dimension, CASE WHEN r.value IS NULL AND f.hour IS NOT NULL THEN '(other)' ELSE a.value END AS value
  FROM (SELECT *, ${HOUR} FROM metering.usage) u CROSS JOIN LATERAL (
    SELECT 'project' AS dimension, u.project_id::text AS value WHERE u.project_id IS NOT NULL
    UNION ALL SELECT DISTINCT 'tag:' || coalesce(n.name, '(other)'), CASE WHEN n.name IS NULL THEN '(other)' ELSE t.value END
      FROM jsonb_each_text(u.tags) t (name, value)
      LEFT JOIN metering.tag_names n ON n.account_id = u.account_id AND n.name = t.name AND n.since <= u.hour
      WHERE u.hour > ${KEPT}) a
  LEFT JOIN metering.attribution_rollups r
    ON r.account_id = u.account_id AND r.dimension = a.dimension AND r.hour = u.hour AND r.value = a.value
  LEFT JOIN (SELECT account_id, dimension, hour FROM metering.attribution_rollups
      WHERE dimension LIKE 'tag:%' AND value <> '(other)' GROUP BY 1, 2, 3 HAVING count(*) >= ${TAG_VALUES_MAX}) f
    ON f.account_id = u.account_id AND f.dimension = a.dimension AND f.hour = u.hour) c`;

function latencyCheck(measure: 'latency' | 'first_byte'): SqlCheck {
  const columns = Array.from({ length: LATENCY_BUCKETS }, (_, bucket) => `${measure}_${String(bucket).padStart(2, '0')}`);
  return {
    name: `rollups: ${measure.replace('_', ' ')} histograms = their calls`,
    population: 'SELECT count(*) FROM metering.model_rollups',
    violations: `SELECT 'account ' || account_id || ' hour ' || hour || ' model ' || model || ' bucket ' || bucket AS subject,
             coalesce(u.calls, 0) AS expected, coalesce(r.calls, 0) AS actual
      FROM (SELECT account_id, ${HOUR}, model, width_bucket(${measure}_ms, ARRAY[${LATENCY_BOUNDS_MS.join(', ')}]::float8[]) AS bucket,
              count(*) AS calls FROM metering.usage WHERE ${measure}_ms IS NOT NULL GROUP BY 1, 2, 3, 4) u
      FULL JOIN (SELECT account_id, hour, model, (bucket - 1)::integer AS bucket, calls
                   FROM metering.model_rollups CROSS JOIN LATERAL unnest(ARRAY[${columns.join(', ')}]) WITH ORDINALITY AS b (calls, bucket)
                  WHERE calls <> 0) r USING (account_id, hour, model, bucket)
      WHERE coalesce(u.calls, 0) <> coalesce(r.calls, 0)`,
  };
}

/** Every sum that a chart reads equals the calls that it sums. */
export const ROLLUP_CHECKS: SqlCheck[] = [
  rollupCheck('rollups: every hour = its calls', {
    table: 'hourly_rollups',
    group: ['key_id', 'model'],
    calls: `(SELECT *, ${HOUR} FROM metering.usage) c`,
  }),
  rollupCheck('rollups: every day = its calls', {
    table: 'daily_rollups',
    time: 'day',
    group: ['key_id', 'model'],
    calls: `(SELECT *, ${DAY} FROM metering.usage) c`,
  }),
  rollupCheck('rollups: every hour of a model = its calls', {
    table: 'model_rollups',
    group: ['model'],
    calls: `(SELECT *, ${HOUR} FROM metering.usage) c`,
  }),
  rollupCheck('rollups: every hour of a project or tag = its calls', {
    table: 'attribution_rollups',
    group: ['dimension', 'value'],
    calls: ATTRIBUTED_CALLS,
    kept: `(dimension NOT LIKE 'tag:%' OR hour > ${KEPT})`,
  }),
  latencyCheck('latency'),
  latencyCheck('first_byte'),
  {
    name: 'tags: what finds a call = what the call says',
    population: 'SELECT count(*) FROM metering.usage_tags',
    violations: `SELECT 'call ' || request_id || ' tag ' || name AS subject, coalesce(u.value, 'no tag') AS expected,
             coalesce(t.value, 'no row') AS actual
      FROM (SELECT usage_day, account_id, request_id, key AS name, value FROM metering.usage CROSS JOIN LATERAL jsonb_each_text(tags)) u
      FULL JOIN metering.usage_tags t USING (usage_day, account_id, request_id, name)
      WHERE u.value IS DISTINCT FROM t.value`,
  },
  {
    name: 'keys: last use = the latest call of the window',
    population: `SELECT count(*) FROM metering.scope_totals WHERE scope LIKE 'window:%'`,
    violations: `SELECT 'account ' || account_id || ' ' || scope AS subject, coalesce(u.last_at::text, 'never') AS expected,
             coalesce(t.last_at::text, 'never') AS actual
      FROM (SELECT account_id, 'window:' || key_id || ':' || window_index AS scope, max(admitted_at) AS last_at
              FROM metering.usage GROUP BY 1, 2) u
      FULL JOIN (SELECT account_id, scope, last_at FROM metering.scope_totals WHERE scope LIKE 'window:%') t USING (account_id, scope)
      WHERE u.last_at IS DISTINCT FROM t.last_at`,
  },
];
