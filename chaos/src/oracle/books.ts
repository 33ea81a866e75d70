import type { OracleRecord } from '@tensorloop/contracts/oracle-record';
import { readOracleFile } from '@tensorloop/testing/oracle-file';
import pg from 'pg';

/** A usage row, as far as the checks look at it. Times are Unix ms. */
export interface BookedCall {
  requestId: string;
  accountId: string;
  keyId: string;
  gatewayId: string;
  model: string;
  outcome: string;
  isEstimated: boolean;
  isPrepaid: boolean;
  /** Redis' clock. */
  admittedAtMs: number;
  /** PostgreSQL's clock. */
  recordedAtMs: number;
  windowIndex: number;
  day: string;
  holdNanoUsd: bigint;
  chargeNanoUsd: bigint;
  /** What the provider reported beyond the hold. */
  overrunNanoUsd: bigint;
}

/** What the provider knows of a call: all attempts together. */
export interface ServedCall {
  requestId: string;
  model: string | null;
  isStream: boolean;
  firstStartedAtMs: number;
  lastEndedAtMs: number;
  isCompleted: boolean;
  /** Of its last attempt. */
  lastOutcome: OracleRecord['outcome'];
  /** Whether its last attempt told its usage. */
  isUsageSent: boolean;
  /** The provider itself ended its last answer (whole, with an error, or broken off), and the gateway did not go away. */
  isEndedByProvider: boolean;
  bytesSent: number;
}

export interface QuarantinedEvent {
  hash: string;
  reason: string;
  requestId: string | null;
}

const SELECT_USAGE = `
  SELECT request_id, account_id, key_id, gateway_id, model, outcome, is_estimated, is_prepaid, window_index, billing_day::text AS day,
         (extract(epoch FROM admitted_at) * 1000)::bigint::text AS admitted_ms,
         (extract(epoch FROM recorded_at) * 1000)::bigint::text AS recorded_ms,
         hold_nano_usd::text AS hold, charge_nano_usd::text AS charge, overrun_nano_usd::text AS overrun
    FROM metering.usage`;

interface UsageRow {
  request_id: string;
  account_id: string;
  key_id: string;
  gateway_id: string;
  model: string;
  outcome: string;
  is_estimated: boolean;
  is_prepaid: boolean;
  window_index: number;
  day: string;
  admitted_ms: string;
  recorded_ms: string;
  hold: string;
  charge: string;
  overrun: string;
}

export interface Books {
  calls: BookedCall[];
  quarantine: QuarantinedEvent[];
  /** Idempotency keys of the credits that were truly given. */
  grantKeys: ReadonlySet<string>;
  /** Calls whose estimate was corrected. */
  corrected: number;
}

export async function readBooks(ownerUrl: string): Promise<Books> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    const usage = await client.query<UsageRow>(SELECT_USAGE);
    const quarantine = await client.query<{ hash: string; reason: string; request_id: string | null }>(
      `SELECT encode(sha256(payload), 'hex') AS hash, reason, request_id FROM metering.quarantine`,
    );
    const grants = await client.query<{ idempotency_key: string }>('SELECT idempotency_key FROM metering.grants');
    const corrections = await client.query<{ count: number }>('SELECT count(*)::integer AS count FROM metering.corrections');
    return {
      corrected: corrections.rows[0]?.count ?? 0,
      calls: usage.rows.map(toBookedCall),
      quarantine: quarantine.rows.map(({ hash, reason, request_id }) => ({ hash, reason, requestId: request_id })),
      grantKeys: new Set(grants.rows.map(({ idempotency_key }) => idempotency_key)),
    };
  } finally {
    await client.end();
  }
}

function toBookedCall(row: UsageRow): BookedCall {
  return {
    requestId: row.request_id,
    accountId: row.account_id,
    keyId: row.key_id,
    gatewayId: row.gateway_id,
    model: row.model,
    outcome: row.outcome,
    isEstimated: row.is_estimated,
    isPrepaid: row.is_prepaid,
    admittedAtMs: Number(row.admitted_ms),
    recordedAtMs: Number(row.recorded_ms),
    windowIndex: row.window_index,
    day: row.day,
    holdNanoUsd: BigInt(row.hold),
    chargeNanoUsd: BigInt(row.charge),
    overrunNanoUsd: BigInt(row.overrun),
  };
}

export async function readServed(oracleFile: string): Promise<Map<string, ServedCall>> {
  const served = new Map<string, ServedCall>();
  for (const record of await readOracleFile(oracleFile)) {
    const requestId = record.gatewayRequestId;
    if (requestId === null) continue;
    const call = served.get(requestId) ?? {
      requestId,
      model: record.model,
      isStream: record.stream,
      firstStartedAtMs: record.startedAtMs,
      lastEndedAtMs: 0,
      isCompleted: false,
      lastOutcome: record.outcome,
      isUsageSent: record.usageSent,
      isEndedByProvider: true,
      bytesSent: 0,
    };
    call.firstStartedAtMs = Math.min(call.firstStartedAtMs, record.startedAtMs);
    if (record.endedAtMs >= call.lastEndedAtMs) {
      call.lastEndedAtMs = record.endedAtMs;
      call.lastOutcome = record.outcome;
      call.isUsageSent = record.usageSent;
      call.isEndedByProvider = record.outcome !== 'client_gone';
    }
    call.isCompleted ||= record.outcome === 'completed';
    call.bytesSent += record.bytesSent;
    served.set(requestId, call);
  }
  return served;
}
