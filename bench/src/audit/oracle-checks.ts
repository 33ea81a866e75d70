import { DIMENSIONS } from '@tensorloop/contracts/usage';
import type { CheckResult } from './audit.types.js';
import { CheckRecorder } from './check-result.js';
import type { LoadedOracle } from './oracle-file.js';
import { rows, type SnapshotClient, type SumRow } from './snapshot.js';
import { runSqlCheck, type SqlCheck } from './sql-check.js';

/**
 * A quantity without a price of its own. A part of the tokens is charged with its whole; a count beside the tokens (pictures,
 * seconds, characters) is what other models are charged by, and left out. Anything else keeps its name, finds no price, and
 * so is a difference: it cannot have been charged, and nothing is served for free.
 */
const CHARGED_DIMENSION = `CASE
  WHEN p.rates ? served.name THEN served.name
  WHEN served.name IN ('input_cache_read', 'input_cache_write') THEN 'input'
  WHEN served.name = 'output_reasoning' THEN 'output'
  WHEN served.name NOT IN ('image', 'image_large', 'image_hd', 'image_hd_large', 'audio_second', 'character') THEN served.name END`;

/**
 * One row per usage row with what the oracle served for it, in the dimensions that its model's price has, priced in SQL at
 * the version frozen in the row.
 *
 * A call may have reached the provider more than once; what counts is the attempt that completed, else the longest.
 */
const CREATE_SERVED = `CREATE TEMPORARY TABLE served AS
WITH attempt AS (
  SELECT DISTINCT ON (request_id) * FROM oracle WHERE request_id IS NOT NULL
  ORDER BY request_id, (outcome = 'completed') DESC, completion DESC
), charged AS (
  SELECT u.usage_day, u.request_id, u.price_version_id, ${CHARGED_DIMENSION} AS dimension, sum(served.quantity::bigint) AS quantity
    FROM metering.usage u JOIN attempt a USING (request_id) JOIN metering.price_versions p ON p.id = u.price_version_id
    CROSS JOIN LATERAL jsonb_each_text(a.quantities) AS served (name, quantity)
   GROUP BY 1, 2, 3, 4
), line AS (
  SELECT c.*, quantity * (p.rates ->> dimension)::numeric * 1000 AS exact
    FROM charged c JOIN metering.price_versions p ON p.id = c.price_version_id
   WHERE dimension IS NOT NULL AND quantity > 0
), call AS (
  SELECT usage_day, request_id, jsonb_object_agg(dimension, quantity) AS quantities,
         sum(floor(exact) + CASE WHEN exact - floor(exact) > 0.5 OR (exact - floor(exact) = 0.5 AND floor(exact) % 2 = 1) THEN 1 ELSE 0 END) AS priced
    FROM line GROUP BY 1, 2
)
SELECT u.usage_day, u.request_id, a.outcome AS served_outcome, a.endpoint AS served_endpoint, a.request_id IS NOT NULL AS is_known,
       call.quantities, coalesce(call.priced, 0) AS priced
  FROM metering.usage u LEFT JOIN attempt a USING (request_id) LEFT JOIN call USING (usage_day, request_id)`;

/** Ended as the provider meant it to, and reported by the provider: these are charged to the token. */
const IS_FULL = `u.outcome IN ('completed', 'client_aborted') AND NOT u.is_estimated`;
const IS_UNCHARGED = `u.outcome IN ('upstream_error', 'upstream_cut')`;

const CHECKS: SqlCheck[] = [
  {
    name: 'oracle: a completed call is one call in the books',
    population: `SELECT count(*) FROM oracle WHERE outcome = 'completed' AND request_id IS NOT NULL`,
    violations: `SELECT 'call ' || o.request_id AS subject, 'one usage row' AS expected, 'none' AS actual
      FROM oracle o LEFT JOIN metering.usage u USING (request_id)
      WHERE o.outcome = 'completed' AND u.request_id IS NULL`,
  },
  {
    name: 'oracle: a call of which bytes were sent has a usage row',
    population: 'SELECT count(*) FROM oracle WHERE bytes_sent > 0 AND request_id IS NOT NULL',
    violations: `SELECT DISTINCT 'call ' || o.request_id AS subject, 'one usage row' AS expected, 'none' AS actual
      FROM oracle o LEFT JOIN metering.usage u USING (request_id)
      WHERE o.bytes_sent > 0 AND o.request_id IS NOT NULL AND u.request_id IS NULL`,
  },
  {
    name: 'oracle: no call completed twice',
    population: `SELECT count(DISTINCT request_id) FROM oracle WHERE outcome = 'completed'`,
    violations: `SELECT 'call ' || request_id AS subject, 1 AS expected, count(*) AS actual FROM oracle
      WHERE outcome = 'completed' AND request_id IS NOT NULL GROUP BY request_id HAVING count(*) > 1`,
  },
  {
    name: 'oracle: nothing is charged that it did not serve',
    population: 'SELECT count(*) FROM metering.usage WHERE charge_nano_usd > 0',
    violations: `SELECT 'call ' || u.request_id AS subject, 0 AS expected, u.charge_nano_usd AS actual
      FROM metering.usage u LEFT JOIN served s USING (usage_day, request_id)
      WHERE u.charge_nano_usd > 0 AND NOT coalesce(s.is_known, false)`,
  },
  {
    name: 'oracle: a call ended the same way on both sides',
    population: 'SELECT count(*) FROM served WHERE is_known',
    violations: `SELECT 'call ' || u.request_id AS subject, s.served_outcome AS expected, u.outcome AS actual
      FROM metering.usage u JOIN served s USING (usage_day, request_id)
      WHERE s.is_known AND ((${IS_FULL} AND s.served_outcome <> 'completed') OR (${IS_UNCHARGED} AND s.served_outcome = 'completed'))`,
  },
  {
    name: 'oracle: a call is booked under the endpoint that served it',
    population: 'SELECT count(*) FROM served WHERE is_known',
    violations: `SELECT 'call ' || u.request_id AS subject, s.served_endpoint AS expected, u.endpoint AS actual
      FROM metering.usage u JOIN served s USING (usage_day, request_id) WHERE s.is_known AND u.endpoint <> s.served_endpoint`,
  },
  {
    name: 'oracle: quantities and charge of every call, exactly',
    population: `SELECT count(*) FROM metering.usage u JOIN served s USING (usage_day, request_id) WHERE s.is_known AND ${IS_FULL}`,
    violations: `SELECT 'call ' || u.request_id AS subject,
             concat(coalesce(s.quantities, '{}'), ' = ', least(s.priced, u.hold_nano_usd)) AS expected,
             concat(u.quantities, ' = ', u.charge_nano_usd) AS actual
      FROM metering.usage u JOIN served s USING (usage_day, request_id)
      WHERE s.is_known AND ${IS_FULL}
        AND (u.charge_nano_usd <> least(s.priced, u.hold_nano_usd)
          OR (SELECT jsonb_object_agg(key, value) FROM jsonb_each(u.quantities) WHERE value <> '0') IS DISTINCT FROM s.quantities)`,
  },
  {
    name: 'oracle: an estimate is never above what was served',
    population: 'SELECT count(*) FROM metering.usage WHERE is_estimated',
    violations: `SELECT 'call ' || u.request_id || ' (' || u.outcome || ')' AS subject, 'at most ' || s.priced AS expected, u.charge_nano_usd AS actual
      FROM metering.usage u JOIN served s USING (usage_day, request_id)
      WHERE s.is_known AND u.is_estimated AND u.charge_nano_usd > s.priced`,
  },
];

/** The independent witness against the books, call by call. */
export async function checkOracle(client: SnapshotClient, oracle: LoadedOracle): Promise<CheckResult[]> {
  await client.query(CREATE_SERVED);
  await client.query('CREATE INDEX ON served (usage_day, request_id)');
  await client.query('ANALYZE served');
  const results: CheckResult[] = [checkFile(oracle)];
  for (const check of CHECKS) results.push(await runSqlCheck(client, check));
  return results;
}

function checkFile(oracle: LoadedOracle): CheckResult {
  const check = new CheckRecorder('oracle: its file is whole').count(oracle.calls);
  for (const line of oracle.unreadable) check.difference(`line ${line}`, 'a record', 'unreadable');
  if (oracle.foreign > 0) check.note(`${oracle.foreign} calls came past the gateway and are left out`);
  return check.result();
}

/**
 * What the books should say by the oracle: its own figures for every call charged in full, the row's own for calls that
 * are uncharged or estimated (bounded by a check of their own), nothing for a charge it knows nothing of.
 */
export async function readOracleSums(client: SnapshotClient): Promise<SumRow[]> {
  const columns = DIMENSIONS.map(
    (dimension) => `coalesce(sum((quantities ->> '${dimension}')::bigint), 0) AS q_${dimension}`,
  ).join(', ');
  return rows(
    client,
    `SELECT account_id, key_id, model, count(*) AS requests, 0 AS estimated, sum(nano_usd) AS nano_usd, ${columns}
       FROM (SELECT u.account_id, u.key_id, u.model,
                    CASE WHEN ${IS_FULL} THEN least(s.priced, u.hold_nano_usd) ELSE u.charge_nano_usd END AS nano_usd,
                    CASE WHEN ${IS_FULL} THEN coalesce(s.quantities, '{}') ELSE u.quantities END AS quantities
               FROM metering.usage u JOIN served s USING (usage_day, request_id)
              WHERE s.is_known OR u.charge_nano_usd = 0) AS call
      GROUP BY account_id, key_id, model`,
  );
}
