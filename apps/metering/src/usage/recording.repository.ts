import { Injectable } from '@nestjs/common';
import type { Tx } from '../database/database.types.js';
import type { PricedCall } from './usage.types.js';

/** One place for a column's name, its array type and its value: the three cannot drift apart. */
type Column = [name: string, type: string, value: (call: PricedCall) => unknown];

const MS_PER_SECOND = 1_000;
const seconds = (milliseconds: number) => milliseconds / MS_PER_SECOND;

const COLUMNS: readonly Column[] = [
  ['request_id', 'uuid', ({ event }) => event.requestId],
  ['account_id', 'uuid', ({ event }) => event.accountId],
  ['key_id', 'uuid', ({ event }) => event.keyId],
  ['model', 'text', ({ event }) => event.model],
  ['endpoint', 'text', ({ event }) => event.endpoint],
  ['gateway_id', 'text', ({ event }) => event.gatewayId],
  ['is_stream', 'boolean', ({ event }) => event.stream],
  ['outcome', 'text', ({ event }) => event.outcome],
  ['http_status', 'integer', ({ event }) => event.httpStatus],
  ['is_prepaid', 'boolean', ({ event }) => event.isPrepaid === true],
  ['is_estimated', 'boolean', ({ event }) => event.estimated],
  ['admitted_at', 'float8', ({ event }) => seconds(event.admittedAtMs)],
  ['completed_at', 'float8', ({ event }) => seconds(event.completedAtMs)],
  ['window_index', 'integer', ({ event }) => event.windowIndex],
  ['window_start', 'float8', ({ event }) => seconds(event.windowStartMs)],
  ['billing_day', 'date', ({ event }) => event.day],
  ['price_version_id', 'uuid', ({ event }) => event.priceVersionId],
  ['quantities', 'jsonb', ({ event }) => JSON.stringify(event.usage)],
  ['hold_nano_usd', 'bigint', ({ event }) => event.holdNanoUsd],
  ['charge_nano_usd', 'bigint', (call) => call.chargeNanoUsd.toString()],
  ['overrun_nano_usd', 'bigint', ({ event }) => event.overrunNanoUsd],
  ['latency_ms', 'float8', ({ event }) => event.latencyMs],
  ['first_byte_ms', 'float8', ({ event }) => event.firstByteMs],
  ['attempts', 'jsonb', ({ event }) => JSON.stringify(event.attempts)],
  ['payload_hash', 'bytea', (call) => call.payloadHash],
];

const INSTANTS = new Set(['admitted_at', 'completed_at', 'window_start']);

/**
 * Arrays of rows instead of one statement per row: a batch of 500 is one round trip. The ids are sent back only where not all
 * of them are new.
 */
const INSERT_USAGE = `
  WITH inserted AS (
  INSERT INTO metering.usage (usage_day, ${COLUMNS.map(([name]) => name).join(', ')})
  SELECT metering.uuid7_day(request_id), ${COLUMNS.map(([name]) => (INSTANTS.has(name) ? `to_timestamp(${name})` : name)).join(', ')}
  FROM unnest(${COLUMNS.map(([, type], index) => `$${index + 1}::${type}[]`).join(', ')})
    AS t (${COLUMNS.map(([name]) => name).join(', ')})
    ON CONFLICT DO NOTHING
    RETURNING request_id
  )
  SELECT CASE WHEN count(*) < cardinality($1) THEN coalesce(array_agg(request_id::text), '{}') END AS some FROM inserted`;

const SELECT_HASHES = `
  SELECT u.request_id, u.payload_hash
  FROM unnest($1::uuid[]) AS t (request_id)
  JOIN metering.usage u ON u.usage_day = metering.uuid7_day(t.request_id) AND u.request_id = t.request_id
  WHERE u.usage_day = ANY ($2::date[])`;

/** Writes usage rows for all accounts (role metering_ingest), hence no account id as first argument. */
@Injectable()
export class RecordingRepository {
  /** Inserts the calls that are not there yet and returns their ids. `calls` are sorted by id and each id occurs once. */
  async insert(tx: Tx, calls: readonly PricedCall[]): Promise<Set<string>> {
    const values = COLUMNS.map(([, , value]) => calls.map(value));
    const { rows } = await tx.query<{ some: string[] | null }>({ name: 'insert_usage', text: INSERT_USAGE, values });
    return new Set(rows[0]?.some ?? calls.map((call) => call.event.requestId));
  }

  /**
   * Payload hashes of booked calls, by id. Must be a statement after the insert: only then does it see what another
   * replica committed while the insert waited for it.
   */
  async listHashes(tx: Tx, requestIds: readonly string[], days: readonly string[]): Promise<Map<string, Buffer>> {
    const { rows } = await tx.query<{ request_id: string; payload_hash: Buffer }>(SELECT_HASHES, [requestIds, days]);
    return new Map(rows.map((row) => [row.request_id, row.payload_hash]));
  }
}
