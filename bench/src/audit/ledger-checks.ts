import type { CheckResult } from './audit.types.js';
import { ROLLUP_CHECKS } from './rollup-checks.js';
import type { SnapshotClient } from './snapshot.js';
import { runSqlCheck, type SqlCheck } from './sql-check.js';

/**
 * USD per million × quantity → nano-USD, half to even. Written again in SQL on purpose: a mistake in the product's own
 * pricing code must not hide itself by being used on both sides.
 */
const EXACT = '(quantity * unit_price * 1000)';
const HALF_EVEN = `(floor(${EXACT}) + CASE
  WHEN ${EXACT} - floor(${EXACT}) > 0.5 THEN 1
  WHEN ${EXACT} - floor(${EXACT}) = 0.5 AND floor(${EXACT}) % 2 = 1 THEN 1
  ELSE 0 END)`;

/** A corrected call has several lines of a dimension, of which one may be negative: together they are rounded once. */
const DIMENSION_SUMS = `SELECT usage_day, request_id, dimension, unit_price, sum(quantity) AS quantity, sum(amount_nano_usd) AS amount
  FROM metering.charges GROUP BY 1, 2, 3, 4`;

/** Entries of what calls cost: owed by a metered account, drawn from what a prepaid one had paid in (grants are credits). */
const SPENT = `(ledger_account = 'receivable' OR (ledger_account = 'prepaid' AND amount_nano_usd > 0))`;

/** Computed from the project's creation, and not read from the call: whoever froze it wrong is found out. */
const PROJECT_WINDOW = `greatest(0, floor(extract(epoch FROM u.admitted_at - p.created_at) / 2592000))::integer`;

const CALL = `'call ' || coalesce(u.request_id, c.request_id)::text`;

const CHECKS: SqlCheck[] = [
  {
    name: 'call: charge = sum of its lines',
    population: 'SELECT count(*) FROM metering.usage',
    violations: `SELECT ${CALL} AS subject, coalesce(u.charge_nano_usd, 0) AS expected, coalesce(c.amount, 0) AS actual
      FROM metering.usage u
      FULL JOIN (SELECT usage_day, request_id, sum(amount_nano_usd) AS amount FROM metering.charges GROUP BY 1, 2) c
        USING (usage_day, request_id)
      WHERE u.request_id IS NULL OR u.charge_nano_usd <> coalesce(c.amount, 0)`,
  },
  {
    name: 'call: lines = frozen price, half-even, capped by the hold',
    population: 'SELECT count(DISTINCT (usage_day, request_id)) FROM metering.charges',
    violations: `SELECT ${CALL} AS subject, least(c.priced, u.hold_nano_usd) AS expected, c.amount AS actual
      FROM metering.usage u
      JOIN (SELECT usage_day, request_id, sum(amount) AS amount, sum(${HALF_EVEN}) AS priced
              FROM (${DIMENSION_SUMS}) d GROUP BY 1, 2) c USING (usage_day, request_id)
      WHERE c.amount <> least(c.priced, u.hold_nano_usd)`,
  },
  {
    name: 'line: quantity = the usage of its call',
    population: 'SELECT count(*) FROM metering.charges',
    violations: `SELECT 'call ' || request_id || ' ' || dimension AS subject, coalesce(u.quantity, 0) AS expected, coalesce(c.quantity, 0) AS actual
      FROM (SELECT usage_day, request_id, d.key AS dimension, d.value::bigint AS quantity
              FROM metering.usage CROSS JOIN LATERAL jsonb_each_text(quantities) d
             WHERE outcome NOT IN ('upstream_error', 'upstream_cut') AND d.value::bigint > 0) u
      FULL JOIN (SELECT usage_day, request_id, dimension, sum(quantity) AS quantity FROM metering.charges GROUP BY 1, 2, 3) c
        USING (usage_day, request_id, dimension)
      WHERE coalesce(u.quantity, 0) <> coalesce(c.quantity, 0)`,
  },
  {
    name: 'correction: estimate and further lines = the truth',
    population: 'SELECT count(*) FROM metering.corrections',
    violations: `SELECT 'call ' || request_id AS subject,
             concat_ws(' ', k.estimated_nano_usd, 'and', k.corrected_nano_usd - k.estimated_nano_usd, 'added, settled') AS expected,
             concat_ws(' ', c.estimated, 'and', c.added, 'added of', u.charge_nano_usd, u.outcome) AS actual
      FROM (SELECT usage_day, request_id FROM metering.corrections
            UNION SELECT usage_day, request_id FROM metering.charges WHERE is_correction) call
      LEFT JOIN metering.corrections k USING (usage_day, request_id)
      LEFT JOIN metering.usage u USING (usage_day, request_id)
      CROSS JOIN LATERAL (SELECT coalesce(sum(amount_nano_usd) FILTER (WHERE NOT is_correction), 0) AS estimated,
                                 coalesce(sum(amount_nano_usd) FILTER (WHERE is_correction), 0) AS added
                            FROM metering.charges c WHERE c.usage_day = call.usage_day AND c.request_id = call.request_id) c
      WHERE (k.estimated_nano_usd = c.estimated AND k.corrected_nano_usd = c.estimated + c.added AND c.added >= 0
             AND k.corrected_nano_usd = u.charge_nano_usd AND u.outcome <> 'gateway_died') IS NOT TRUE`,
  },
  {
    name: 'line: rate = the price version frozen in the call',
    population: 'SELECT count(*) FROM metering.charges',
    violations: `SELECT ${CALL} || ' ' || c.dimension AS subject,
             coalesce(p.rates ->> c.dimension, 'no such price') || ' of ' || u.price_version_id AS expected,
             c.unit_price || ' of ' || c.price_version_id AS actual
      FROM metering.charges c JOIN metering.usage u USING (usage_day, request_id)
      LEFT JOIN metering.price_versions p ON p.id = c.price_version_id AND p.model = u.model
      WHERE c.price_version_id <> u.price_version_id OR c.account_id <> u.account_id
         OR (p.rates ->> c.dimension)::numeric IS DISTINCT FROM c.unit_price`,
  },
  {
    name: 'call: a failed upstream charges nothing (TL-9)',
    population: `SELECT count(*) FROM metering.usage WHERE outcome IN ('upstream_error', 'upstream_cut')`,
    violations: `SELECT 'call ' || request_id AS subject, 0 AS expected, charge_nano_usd AS actual FROM metering.usage
      WHERE outcome IN ('upstream_error', 'upstream_cut') AND charge_nano_usd <> 0`,
  },
  {
    name: 'call: cut by the gateway itself is flagged estimated',
    population: `SELECT count(*) FROM metering.usage WHERE outcome IN ('gateway_died', 'drain_capped')`,
    violations: `SELECT 'call ' || request_id AS subject, 'estimated' AS expected, 'not' AS actual FROM metering.usage
      WHERE outcome IN ('gateway_died', 'drain_capped') AND charge_nano_usd > 0 AND NOT is_estimated`,
  },
  {
    name: 'ledger: every transaction sums to zero',
    population: 'SELECT count(*) FROM metering.ledger_transactions',
    violations: `SELECT 'transaction ' || t.id AS subject, '0 over 2 entries' AS expected,
             coalesce(sum(e.amount_nano_usd), 0) || ' over ' || count(e.*) || ' entries' AS actual
      FROM metering.ledger_transactions t LEFT JOIN metering.ledger_entries e
        ON e.account_id = t.account_id AND e.transaction_id = t.id
      GROUP BY t.account_id, t.id HAVING coalesce(sum(e.amount_nano_usd), 0) <> 0 OR (count(e.*) = 0 AND NOT EXISTS (
        SELECT FROM metering.charges c WHERE c.account_id = t.account_id AND c.ledger_transaction_id = t.id))`,
  },
  {
    name: 'ledger: receivable of a transaction = its charge lines',
    population: 'SELECT count(*) FROM metering.ledger_transactions',
    violations: `SELECT 'transaction ' || coalesce(e.id, c.id) AS subject, coalesce(c.amount, 0) AS expected, coalesce(e.amount, 0) AS actual
      FROM (SELECT account_id, transaction_id AS id, sum(amount_nano_usd) AS amount FROM metering.ledger_entries
             WHERE ${SPENT} GROUP BY 1, 2) e
      FULL JOIN (SELECT account_id, ledger_transaction_id AS id, sum(amount_nano_usd) AS amount FROM metering.charges GROUP BY 1, 2) c
        USING (account_id, id)
      WHERE coalesce(e.amount, 0) <> coalesce(c.amount, 0)`,
  },
  {
    name: 'ledger: receivable of an account = its usage',
    population: 'SELECT count(DISTINCT account_id) FROM metering.usage',
    violations: `SELECT 'account ' || account_id AS subject, coalesce(u.amount, 0) AS expected, coalesce(e.amount, 0) AS actual
      FROM (SELECT account_id, sum(charge_nano_usd) AS amount FROM metering.usage GROUP BY 1) u
      FULL JOIN (SELECT account_id, sum(amount_nano_usd) AS amount FROM metering.ledger_entries
                  WHERE ${SPENT} GROUP BY 1) e USING (account_id)
      WHERE coalesce(u.amount, 0) <> coalesce(e.amount, 0)`,
  },
  ...ROLLUP_CHECKS,
  {
    name: 'totals: window = its calls',
    population: `SELECT count(*) FROM metering.scope_totals WHERE scope LIKE 'window:%'`,
    violations: scopeViolations('window', `'window:' || key_id || ':' || window_index`),
  },
  {
    name: 'totals: day = its calls',
    population: `SELECT count(*) FROM metering.scope_totals WHERE scope LIKE 'day:%'`,
    violations: scopeViolations('day', `'day:' || billing_day`),
  },
  {
    name: 'totals: project = its calls, by windows from its creation (TL-4)',
    population: `SELECT count(*) FROM metering.scope_totals WHERE scope LIKE 'project:%'`,
    violations: `SELECT 'account ' || account_id || ' ' || scope AS subject, coalesce(u.amount, 0) AS expected, coalesce(t.total_nano_usd, 0) AS actual
      FROM (SELECT account_id, 'project:' || project_id || ':' || ${PROJECT_WINDOW} AS scope, sum(charge_nano_usd) AS amount
              FROM metering.usage u JOIN control.projects p USING (account_id) WHERE p.id = u.project_id GROUP BY 1, 2) u
      FULL JOIN (SELECT account_id, scope, total_nano_usd FROM metering.scope_totals WHERE scope LIKE 'project:%') t
        USING (account_id, scope)
      WHERE coalesce(u.amount, 0) <> coalesce(t.total_nano_usd, 0)`,
  },
  {
    name: 'totals: balance = the prepaid calls and the grants of its account',
    population: 'SELECT count(DISTINCT account_id) FROM metering.scope_totals',
    violations: `SELECT 'account ' || account_id AS subject, coalesce(u.amount, 0) || ' of ' || coalesce(g.amount, 0) AS expected,
             coalesce(t.total_nano_usd, 0) || ' of ' || coalesce(t.limit_nano_usd, 0) AS actual
      FROM (SELECT account_id, sum(charge_nano_usd) AS amount FROM metering.usage WHERE is_prepaid GROUP BY 1) u
      FULL JOIN (SELECT account_id, sum(amount_nano_usd) AS amount FROM metering.grants GROUP BY 1) g USING (account_id)
      FULL JOIN (SELECT * FROM metering.scope_totals WHERE scope = 'balance') t USING (account_id)
      WHERE coalesce(u.amount, 0) <> coalesce(t.total_nano_usd, 0) OR coalesce(g.amount, 0) <> coalesce(t.limit_nano_usd, 0)`,
  },
  {
    name: 'ledger: prepaid of an account = its grants less its prepaid calls',
    population: 'SELECT count(DISTINCT account_id) FROM metering.scope_totals',
    violations: `SELECT 'account ' || account_id AS subject, coalesce(t.limit_nano_usd, 0) - t.total_nano_usd AS expected, -coalesce(e.amount, 0) AS actual
      FROM (SELECT * FROM metering.scope_totals WHERE scope = 'balance') t
      FULL JOIN (SELECT account_id, sum(amount_nano_usd) AS amount FROM metering.ledger_entries
                  WHERE ledger_account = 'prepaid' GROUP BY 1) e USING (account_id)
      WHERE coalesce(t.limit_nano_usd, 0) - coalesce(t.total_nano_usd, 0) <> -coalesce(e.amount, 0)`,
  },
  {
    name: 'call: window and day are those of its admission (TL-4)',
    population: 'SELECT count(*) FROM metering.usage',
    violations: `SELECT 'call ' || request_id AS subject,
             k.minted_at + window_index * interval '720 hours' || ' and ' || (admitted_at AT TIME ZONE 'UTC')::date AS expected,
             window_start || ' and ' || billing_day AS actual
      FROM metering.usage u JOIN control.keys k ON k.account_id = u.account_id AND k.id = u.key_id
      WHERE window_start <> k.minted_at + window_index * interval '720 hours'
         OR billing_day <> (admitted_at AT TIME ZONE 'UTC')::date
         OR (admitted_at < window_start AND window_index > 0) OR admitted_at >= window_start + interval '720 hours'`,
  },
  {
    name: 'quarantine: empty',
    population: 'SELECT count(*) FROM metering.quarantine',
    violations: `SELECT 'reason ' || reason AS subject, '0' AS expected, count(*) || ' (first: ' || min(detail) || ')' AS actual
      FROM metering.quarantine GROUP BY reason`,
  },
];

/** A scope no call belongs to and a scope without a row both count 0: a row of total 0 is no difference. */
function scopeViolations(kind: 'window' | 'day', scope: string): string {
  return `SELECT 'account ' || account_id || ' ' || scope AS subject, coalesce(u.amount, 0) AS expected, coalesce(t.total_nano_usd, 0) AS actual
    FROM (SELECT account_id, ${scope} AS scope, sum(charge_nano_usd) AS amount FROM metering.usage GROUP BY 1, 2) u
    FULL JOIN (SELECT account_id, scope, total_nano_usd FROM metering.scope_totals WHERE scope LIKE '${kind}:%') t
      USING (account_id, scope)
    WHERE coalesce(u.amount, 0) <> coalesce(t.total_nano_usd, 0)`;
}

/** Everything the database can prove about itself, without an oracle. */
export async function checkLedger(client: SnapshotClient): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of CHECKS) results.push(await runSqlCheck(client, check));
  return results;
}
