import type { Endpoint } from '@tensorloop/contracts/endpoint';
import type { OracleRecord } from '@tensorloop/contracts/oracle-record';
import type { PriceVersion } from '@tensorloop/contracts/price-book';
import type { Outcome } from '@tensorloop/contracts/request-completed';
import type { Usage } from '@tensorloop/contracts/usage';
import { budgetWindow, utcDay } from '@tensorloop/kernel/budget-window';
import { uuid7, uuid7Day } from '@tensorloop/kernel/uuid7';
import { type ChargeLine, chargeUsage } from '@tensorloop/pricing/charge';
import type { TestDatabase } from '@tensorloop/testing/database';

/** Minted a while ago, so that the second window is the current one. */
const KEY_AGE_MS = 40 * 24 * 60 * 60 * 1000;
const HOLD_NANO_USD = 10_000_000n;

export interface BookedCall {
  requestId: string;
  model: string;
  outcome: Outcome;
  isEstimated: boolean;
  usage: Usage;
  admittedAtMs: number;
  priceVersionId: string;
  lines: ChargeLine[];
  chargeNanoUsd: bigint;
  /** What it was booked as before its true end arrived: lines of their own, and further ones for the difference. */
  estimatedLines: ChargeLine[] | null;
  endpoint: Endpoint;
  /** With `quantities` as records have them now, without as they had them before. */
  served: Pick<OracleRecord, 'promptTokens' | 'cachedTokens' | 'completionTokens' | 'outcome' | 'quantities'>;
}

export interface BookOwner {
  database: TestDatabase;
  accountId: string;
  accountTag: string;
  keyId: string;
}

type CallSample = Pick<BookedCall, 'model' | 'endpoint' | 'outcome' | 'isEstimated' | 'usage' | 'served'> & {
  estimatedUsage?: Usage;
};

const SAMPLES: CallSample[] = [
  {
    model: 'gpt-4o-mini',
    endpoint: 'chat.completions',
    outcome: 'completed',
    isEstimated: false,
    usage: { input: 801, input_cache_read: 201, output: 333 },
    served: { promptTokens: 1002, cachedTokens: 201, completionTokens: 333, outcome: 'completed' },
  },
  {
    model: 'llama-3.3-70b',
    endpoint: 'chat.completions',
    outcome: 'client_aborted',
    isEstimated: false,
    usage: { input: 1000, output: 500 },
    estimatedUsage: { input: 1010, output: 3 },
    served: { promptTokens: 1000, cachedTokens: 0, completionTokens: 500, outcome: 'completed' },
  },
  {
    model: 'gpt-4o-mini',
    endpoint: 'chat.completions',
    outcome: 'upstream_cut',
    isEstimated: false,
    usage: { output: 3 },
    served: { promptTokens: 10, cachedTokens: 0, completionTokens: 4, outcome: 'cut' },
  },
  {
    model: 'gpt-4o-mini',
    endpoint: 'chat.completions',
    outcome: 'gateway_died',
    isEstimated: true,
    usage: { input: 10, output: 5 },
    served: { promptTokens: 12, cachedTokens: 0, completionTokens: 7, outcome: 'client_gone' },
  },
  {
    // What is written to the cache has no price here, so it is charged as the input it is.
    model: 'gpt-4o',
    endpoint: 'responses',
    outcome: 'completed',
    isEstimated: false,
    usage: { input: 60, input_cache_read: 40, output: 11, output_reasoning: 9 },
    served: {
      promptTokens: 100,
      cachedTokens: 40,
      completionTokens: 20,
      outcome: 'completed',
      quantities: { input: 53, input_cache_read: 40, input_cache_write: 7, output: 11, output_reasoning: 9 },
    },
  },
];

export async function sampleCalls(database: TestDatabase): Promise<BookedCall[]> {
  const nowMs = Date.now();
  const prices = await database.query<PriceVersion>(
    'SELECT id, model, rates FROM metering.price_versions WHERE effective_to IS NULL',
  );
  return SAMPLES.map(({ estimatedUsage, ...sample }) => {
    const version = prices.find((price) => price.model === sample.model) as PriceVersion;
    const charge = chargeUsage(version, sample.outcome === 'upstream_cut' ? {} : sample.usage);
    const estimate = chargeUsage(version, estimatedUsage ?? {});
    if ('missing' in charge || 'missing' in estimate) throw new Error(`the seed has no price for a sample of ${sample.model}`);
    return {
      ...sample,
      requestId: uuid7(nowMs),
      admittedAtMs: nowMs,
      priceVersionId: version.id,
      lines: charge.lines,
      estimatedLines: estimatedUsage === undefined ? null : estimate.lines,
      chargeNanoUsd: charge.totalNanoUsd,
    };
  });
}

export function oracleLine(call: BookedCall, changes: Partial<OracleRecord> = {}): string {
  const record: OracleRecord = {
    v: 1,
    id: `sim-${call.requestId}`,
    gatewayRequestId: call.requestId,
    model: call.model,
    stream: false,
    endpoint: call.endpoint,
    reasoningTokens: 0,
    status: 200,
    usageSent: true,
    bytesSent: 100,
    startedAtMs: call.admittedAtMs,
    endedAtMs: call.admittedAtMs,
    ...call.served,
    ...changes,
  };
  return `${JSON.stringify(record)}\n`;
}

/** Writes account, key and the books of `calls` as metering would, in one ledger transaction. */
export async function bookCalls(owner: BookOwner, calls: BookedCall[]): Promise<void> {
  const { database, accountId } = owner;
  const nowMs = calls[0]?.admittedAtMs ?? Date.now();
  const mintedAtMs = nowMs - KEY_AGE_MS;
  await createKey(owner, mintedAtMs);
  const window = budgetWindow(mintedAtMs, nowMs);
  const transactionId = uuid7(nowMs);
  for (const day of new Set(calls.map((call) => uuid7Day(call.requestId)))) {
    await database.query('SELECT metering.ensure_usage_partitions($1)', [day]);
  }
  for (const call of calls) await writeUsage(owner, call, window);
  const total = calls.reduce((sum, call) => sum + call.chargeNanoUsd, 0n);
  await database.query(
    `WITH t AS (INSERT INTO metering.ledger_transactions (account_id, id, kind) VALUES ($1, $2, 'usage'))
     INSERT INTO metering.ledger_entries VALUES ($1, $2, 'receivable', $3::bigint), ($1, $2, 'revenue', -$3::bigint)`,
    [accountId, transactionId, total],
  );
  for (const call of calls) await writeLines(owner, call, transactionId);
  await writeSums(owner, { windowIndex: window.index, day: utcDay(nowMs), total });
}

async function createKey({ database, accountId, accountTag, keyId }: BookOwner, mintedAtMs: number): Promise<void> {
  await database.query(`INSERT INTO control.accounts (id, tag, name, plan_id) VALUES ($1, $2, 'audited', 'pro')`, [
    accountId,
    accountTag,
  ]);
  await database.query(
    `INSERT INTO control.keys (account_id, id, key_hash, preview, name, models, budget_nano_usd, rpm, minted_at, expires_at, created_by)
     VALUES ($1, $2, $3, 'tl_…', 'audited', '{*}', 5000000000, 30, to_timestamp($4::float8 / 1000), to_timestamp($4::float8 / 1000) + interval '90 days', $1)`,
    [accountId, keyId, Buffer.alloc(32, accountTag).toString('hex'), mintedAtMs],
  );
}

async function writeUsage(owner: BookOwner, call: BookedCall, window: { index: number; startMs: number }): Promise<void> {
  await owner.database.query(
    `INSERT INTO metering.usage (usage_day, request_id, account_id, key_id, model, endpoint, gateway_id, is_stream, outcome, http_status, is_estimated,
       admitted_at, completed_at, window_index, window_start, billing_day, price_version_id, quantities, hold_nano_usd, charge_nano_usd, overrun_nano_usd,
       latency_ms, attempts, payload_hash, project_id, tags)
     VALUES (metering.uuid7_day($1), $1, $2, $3, $4, $15, 'gw', false, $5, 200, $6,
       to_timestamp($7::float8 / 1000), to_timestamp($7::float8 / 1000), $8, to_timestamp($9::float8 / 1000), $10, $11, $12, $13, $14, 0, 1, '[]', '\\x00', $3, '{"team": "search"}')`,
    [
      call.requestId,
      owner.accountId,
      owner.keyId,
      call.model,
      call.outcome,
      call.isEstimated,
      call.admittedAtMs,
      window.index,
      window.startMs,
      utcDay(call.admittedAtMs),
      call.priceVersionId,
      JSON.stringify(call.usage),
      HOLD_NANO_USD,
      call.chargeNanoUsd,
      call.endpoint,
    ],
  );
}

async function writeLines(owner: BookOwner, call: BookedCall, transactionId: string): Promise<void> {
  const write = async (line: ChargeLine, index: number, isCorrection: boolean) =>
    owner.database.query(
      `INSERT INTO metering.charges (usage_day, request_id, line, account_id, dimension, quantity, unit_price, amount_nano_usd,
         price_version_id, ledger_transaction_id, is_correction)
       VALUES (metering.uuid7_day($1), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        call.requestId,
        index,
        owner.accountId,
        line.dimension,
        line.quantity,
        line.unitPrice,
        line.amountNanoUsd,
        call.priceVersionId,
        transactionId,
        isCorrection,
      ],
    );
  const { estimatedLines } = call;
  for (const [index, line] of (estimatedLines ?? call.lines).entries()) await write(line, index, false);
  if (estimatedLines === null) return;
  for (const [index, line] of call.lines.entries()) {
    const before = estimatedLines[index] as ChargeLine;
    const quantity = line.quantity - before.quantity;
    const amountNanoUsd = line.amountNanoUsd - before.amountNanoUsd;
    await write({ ...line, quantity, amountNanoUsd }, estimatedLines.length + index, true);
  }
  await owner.database.query(
    `INSERT INTO metering.corrections (usage_day, request_id, account_id, estimated_quantities, estimated_nano_usd, estimated_payload_hash, corrected_nano_usd)
     VALUES (metering.uuid7_day($1), $1, $2, '{}', $3, '', $4)`,
    [call.requestId, owner.accountId, estimatedLines.reduce((sum, line) => sum + line.amountNanoUsd, 0n), call.chargeNanoUsd],
  );
}

async function writeSums(
  { database, accountId, keyId }: BookOwner,
  sums: { windowIndex: number; day: string; total: bigint },
): Promise<void> {
  await writeRollups(database, { table: 'hourly_rollups', columns: 'key_id, model' });
  await database.query(
    `INSERT INTO metering.daily_rollups SELECT account_id, (hour AT TIME ZONE 'UTC')::date, key_id, model, requests, failed, input_tokens,
       output_tokens, charge_nano_usd FROM metering.hourly_rollups`,
  );
  await writeRollups(database, { table: 'model_rollups', columns: 'model' });
  await writeRollups(database, { table: 'attribution_rollups', columns: 'dimension, value' });
  await database.query(
    `INSERT INTO metering.tag_names SELECT DISTINCT account_id, 'team', '-infinity'::timestamptz FROM metering.usage`,
  );
  // Every call took 1 ms.
  await database.query('UPDATE metering.model_rollups SET latency_00 = requests');
  await database.query(
    `INSERT INTO metering.usage_tags SELECT usage_day, account_id, 'team', 'search', request_id FROM metering.usage`,
  );
  await database.query(
    `INSERT INTO metering.scope_totals (account_id, scope, total_nano_usd, version, last_at)
     SELECT $1, scope, $3, 1, (SELECT max(admitted_at) FROM metering.usage) FROM unnest(ARRAY[$2, $4]) AS scope`,
    [accountId, `window:${keyId}:${sums.windowIndex}`, sums.total, `day:${sums.day}`],
  );
}

/** Project and tag are the same for all calls (the project is named by the key's id): two rows of attributions an hour. */
async function writeRollups(database: TestDatabase, { table, columns }: { table: string; columns: string }): Promise<void> {
  await database.query(
    `INSERT INTO metering.${table} (account_id, hour, ${columns}, requests, failed, input_tokens, output_tokens, charge_nano_usd)
     SELECT account_id, date_trunc('hour', admitted_at, 'UTC') AS hour, ${columns}, count(*),
            count(*) FILTER (WHERE outcome IN ('upstream_error', 'upstream_cut', 'gateway_died')),
            sum(coalesce((quantities ->> 'input')::bigint, 0) + coalesce((quantities ->> 'input_cache_read')::bigint, 0)),
            sum(coalesce((quantities ->> 'output')::bigint, 0) + coalesce((quantities ->> 'output_reasoning')::bigint, 0)),
            sum(charge_nano_usd)
       FROM metering.usage ${table === 'attribution_rollups' ? `, LATERAL (VALUES ('project', key_id::text), ('tag:team', 'search')) AS a (dimension, value)` : ''}
      GROUP BY account_id, hour, ${columns}`,
  );
}
