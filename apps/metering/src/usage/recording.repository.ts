import { Injectable } from '@nestjs/common';
import {
  bigints,
  booleans,
  byteas,
  dates,
  doubles,
  instants,
  integers,
  jsonbs,
  texts,
  uuids,
} from '@tensorloop/db/binary-arrays';
import { uuid7Day } from '@tensorloop/kernel/uuid7';
import type { Tx } from '../database/database.types.js';
import type { BookedCall, Correction } from './correction.types.js';
import { type BookedDbRow, toBookedCall } from './recording.dto.js';
import { hasTags, isAttributed, type PricedCall } from './usage.types.js';

type Encode = (calls: readonly PricedCall[]) => unknown;
/** One place for a column's name, its array type and its values: the three cannot drift apart. */
type Column = [name: string, type: string, encode: Encode];

const eventValues =
  <T>(encode: (values: readonly T[]) => Buffer, read: (event: PricedCall['event']) => T): Encode =>
  (calls) =>
    encode(calls.map((call) => read(call.event)));

/** Of one width: an element is found by its number at once. */
const FIXED_COLUMNS: readonly Column[] = [
  ['request_id', 'uuid', eventValues(uuids, (event) => event.requestId)],
  ['account_id', 'uuid', eventValues(uuids, (event) => event.accountId)],
  ['key_id', 'uuid', eventValues(uuids, (event) => event.keyId)],
  ['is_stream', 'boolean', eventValues(booleans, (event) => event.stream)],
  ['http_status', 'integer', eventValues(integers, (event) => event.httpStatus)],
  ['is_prepaid', 'boolean', eventValues(booleans, (event) => event.isPrepaid === true)],
  ['is_estimated', 'boolean', eventValues(booleans, (event) => event.estimated)],
  ['admitted_at', 'timestamptz', eventValues(instants, (event) => event.admittedAtMs)],
  ['completed_at', 'timestamptz', eventValues(instants, (event) => event.completedAtMs)],
  ['window_index', 'integer', eventValues(integers, (event) => event.windowIndex)],
  ['window_start', 'timestamptz', eventValues(instants, (event) => event.windowStartMs)],
  ['billing_day', 'date', eventValues(dates, (event) => event.day)],
  ['price_version_id', 'uuid', eventValues(uuids, (event) => event.priceVersionId)],
  ['hold_nano_usd', 'bigint', eventValues(bigints, (event) => event.holdNanoUsd)],
  ['charge_nano_usd', 'bigint', (calls) => bigints(calls.map((call) => call.chargeNanoUsd))],
  ['overrun_nano_usd', 'bigint', eventValues(bigints, (event) => event.overrunNanoUsd)],
  ['latency_ms', 'float8', eventValues(doubles, (event) => event.latencyMs)],
];

/** Of any width, or with NULLs: to find an element all before it are looked at, so these are unnested. */
const OTHER_COLUMNS: readonly Column[] = [
  ['model', 'text', eventValues(texts, (event) => event.model)],
  ['endpoint', 'text', eventValues(texts, (event) => event.endpoint)],
  ['gateway_id', 'text', eventValues(texts, (event) => event.gatewayId)],
  ['outcome', 'text', eventValues(texts, (event) => event.outcome)],
  ['quantities', 'jsonb', eventValues(jsonbs, (event) => JSON.stringify(event.usage))],
  ['first_byte_ms', 'float8', eventValues(doubles, (event) => event.firstByteMs)],
  ['attempts', 'jsonb', eventValues(jsonbs, (event) => JSON.stringify(event.attempts))],
  ['payload_hash', 'bytea', (calls) => byteas(calls.map((call) => call.payloadHash))],
];

/** Of batches in which some call has a project or tags; the others need not carry columns of NULLs. */
const ATTRIBUTION_COLUMNS: readonly Column[] = [
  ['project_id', 'uuid', (calls) => uuids(calls.map((call) => call.event.projectId ?? null))],
  ['project_window_index', 'integer', (calls) => integers(calls.map((call) => call.event.projectWindowIndex ?? null))],
  ['tags', 'jsonb', eventValues(jsonbs, (event) => (hasTags(event) ? JSON.stringify(event.tags) : 'null'))],
];

const namesOf = (columns: readonly Column[]) => columns.map(([name]) => name).join(', ');
/** Parameters count from 1. */
const FIXED = FIXED_COLUMNS.map(([, type], index) => `($${index + 1}::${type}[])[i]`).join(', ');

/**
 * Arrays of rows instead of one statement per row: a batch of 500 is one round trip. The ids are sent back only where not all
 * of them are new.
 */
function insertUsage(name: string, others: readonly Column[]) {
  const arrays = others.map(([, type], index) => `$${FIXED_COLUMNS.length + index + 1}::${type}[]`).join(', ');
  // JSON's null stands for SQL's: an array of jsonb is sent without NULLs.
  const values = others.map(([column, type]) => (type === 'jsonb' ? `nullif(${column}, 'null')` : column)).join(', ');
  const text = `
  WITH inserted AS (
    INSERT INTO metering.usage (usage_day, ${namesOf(FIXED_COLUMNS)}, ${namesOf(others)})
    SELECT metering.uuid7_day(($1::uuid[])[i]), ${FIXED}, ${values}
    FROM unnest(${arrays}) WITH ORDINALITY AS t (${namesOf(others)}, i)
    ON CONFLICT DO NOTHING
    RETURNING request_id
  )
  SELECT CASE WHEN count(*) < cardinality($1::uuid[]) THEN coalesce(array_agg(request_id::text), '{}') END AS some FROM inserted`;
  return { name, text, columns: [...FIXED_COLUMNS, ...others] };
}

const INSERT_USAGE = insertUsage('insert_usage', OTHER_COLUMNS);
const INSERT_ATTRIBUTED_USAGE = insertUsage('insert_attributed_usage', [...OTHER_COLUMNS, ...ATTRIBUTION_COLUMNS]);

/** For calls that have tags; those of calls that are booked already are there already. */
const INSERT_TAGS = `
  INSERT INTO metering.usage_tags (usage_day, account_id, name, value, request_id)
  SELECT metering.uuid7_day(request_id), account_id, name, value, request_id
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS t (request_id, account_id, name, value)
  ON CONFLICT DO NOTHING`;

const SELECT_HASHES = `
  SELECT u.request_id, u.payload_hash
  FROM unnest($1::uuid[]) AS t (request_id)
  JOIN metering.usage u ON u.usage_day = metering.uuid7_day(t.request_id) AND u.request_id = t.request_id
  WHERE u.usage_day = ANY ($2::date[])`;

/** Locked in one order, and as they are once whoever held them has committed: what another replica corrected is seen. */
const LOCK_BOOKED = `
  SELECT request_id, account_id, key_id, model, endpoint, gateway_id, is_stream, outcome, admitted_at, window_index,
    window_start, billing_day::text, price_version_id, quantities, hold_nano_usd, charge_nano_usd, is_prepaid, payload_hash,
    latency_ms, first_byte_ms, project_id, project_window_index, tags
  FROM metering.usage
  WHERE usage_day = ANY ($2::date[]) AND request_id = ANY ($1::uuid[])
  ORDER BY request_id
  FOR UPDATE`;

/** What the estimate had said is kept beside the row that now says the truth. */
const CORRECT = `
  WITH truth AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::boolean[], $5::float8[], $6::jsonb[], $7::bigint[], $8::bigint[],
      $9::float8[], $10::float8[], $11::jsonb[], $12::bytea[]) AS t (request_id, outcome, http_status, is_estimated, completed_ms,
      quantities, charge_nano_usd, overrun_nano_usd, latency_ms, first_byte_ms, attempts, payload_hash)
  ), noted AS (
    INSERT INTO metering.corrections (usage_day, request_id, account_id, estimated_quantities, estimated_nano_usd,
      estimated_payload_hash, corrected_nano_usd)
    SELECT u.usage_day, u.request_id, u.account_id, u.quantities, u.charge_nano_usd, u.payload_hash, t.charge_nano_usd
    FROM truth t JOIN metering.usage u USING (request_id) WHERE u.usage_day = ANY ($13::date[])
  )
  UPDATE metering.usage u SET outcome = t.outcome, http_status = t.http_status, is_estimated = t.is_estimated,
    completed_at = to_timestamp(t.completed_ms / 1000), quantities = t.quantities, charge_nano_usd = t.charge_nano_usd,
    overrun_nano_usd = t.overrun_nano_usd, latency_ms = t.latency_ms, first_byte_ms = t.first_byte_ms, attempts = t.attempts,
    payload_hash = t.payload_hash
  FROM truth t WHERE u.usage_day = ANY ($13::date[]) AND u.request_id = t.request_id`;

/** Writes usage rows for all accounts (role metering_ingest), hence no account id as first argument. */
@Injectable()
export class RecordingRepository {
  /** Inserts the calls that are not there yet and returns their ids. `calls` are sorted by id and each id occurs once. */
  async insert(tx: Tx, calls: readonly PricedCall[]): Promise<Set<string>> {
    const { name, text, columns } = calls.some(({ event }) => isAttributed(event)) ? INSERT_ATTRIBUTED_USAGE : INSERT_USAGE;
    const values = columns.map(([, , encode]) => encode(calls));
    const { rows } = await tx.query<{ some: string[] | null }>({ name, text, values });
    return new Set(rows[0]?.some ?? calls.map((call) => call.event.requestId));
  }

  /** Makes calls that were inserted in this transaction findable by their tags. */
  async insertTags(tx: Tx, calls: readonly PricedCall[]): Promise<void> {
    const tags = calls.flatMap(({ event }) =>
      Object.entries(event.tags ?? {}).map(([name, value]) => ({ event, name, value })),
    );
    if (tags.length === 0) return;
    const values = [
      uuids(tags.map((tag) => tag.event.requestId)),
      uuids(tags.map((tag) => tag.event.accountId)),
      texts(tags.map((tag) => tag.name)),
      texts(tags.map((tag) => tag.value)),
    ];
    await tx.query({ name: 'insert_usage_tags', text: INSERT_TAGS, values });
  }

  /**
   * Payload hashes of booked calls, by id. Must be a statement after the insert: only then does it see what another
   * replica committed while the insert waited for it.
   */
  async listHashes(tx: Tx, requestIds: readonly string[], days: readonly string[]): Promise<Map<string, Buffer>> {
    const { rows } = await tx.query<{ request_id: string; payload_hash: Buffer }>(SELECT_HASHES, [requestIds, days]);
    return new Map(rows.map((row) => [row.request_id, row.payload_hash]));
  }

  /** Booked rows by id, locked until the transaction ends. Rare: only of calls that are not what was booked. */
  async lockBooked(tx: Tx, requestIds: readonly string[], days: readonly string[]): Promise<Map<string, BookedCall>> {
    const { rows } = await tx.query<BookedDbRow>(LOCK_BOOKED, [requestIds, days]);
    return new Map(rows.map((row) => [row.request_id, toBookedCall(row)]));
  }

  /** Replaces estimates by true ends. Each call occurs once; its row is locked. */
  async correct(tx: Tx, corrections: readonly Correction[]): Promise<void> {
    const events = corrections.map(({ call }) => call.event);
    await tx.query(CORRECT, [
      events.map((event) => event.requestId),
      events.map((event) => event.outcome),
      events.map((event) => event.httpStatus),
      events.map((event) => event.estimated),
      events.map((event) => event.completedAtMs),
      events.map((event) => JSON.stringify(event.usage)),
      corrections.map(({ call }) => call.chargeNanoUsd.toString()),
      events.map((event) => event.overrunNanoUsd),
      events.map((event) => event.latencyMs),
      events.map((event) => event.firstByteMs),
      events.map((event) => JSON.stringify(event.attempts)),
      corrections.map(({ call }) => call.payloadHash),
      [...new Set(events.map((event) => uuid7Day(event.requestId)))],
    ]);
  }
}
