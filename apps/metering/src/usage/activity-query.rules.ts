import { FAILED_OUTCOMES } from '@tensorloop/contracts/request-completed';
import type { ActivityListRequest, ActivityStatus } from '@tensorloop/contracts/rpc';
import { uuid7Day } from '@tensorloop/kernel/uuid7';
import type { DaySpan } from './usage.rules.js';

export type ActivityFilter = Omit<ActivityListRequest, 'accountId' | 'limit'>;

export interface Query {
  text: string;
  values: unknown[];
}

const COLUMNS = `request_id, admitted_at, key_id, model, endpoint, is_stream, outcome, http_status, is_estimated, quantities,
    charge_nano_usd, latency_ms, first_byte_ms, project_id, tags`;

const failed = `outcome IN (${FAILED_OUTCOMES.map((outcome) => `'${outcome}'`).join(', ')})`;
/** Written out and not parameters: what a partial index is for must be known when the query is planned. */
const STATUSES: Record<ActivityStatus, string> = {
  succeeded: `NOT ${failed}`,
  failed,
  estimated: 'is_estimated',
};

/**
 * One page of one span. Only the filters that are given stand in the text, so that PostgreSQL plans for them: each has an index
 * that is newest first.
 */
export function activityQuery(accountId: string, filter: ActivityFilter, page: DaySpan & { limit: number }): Query {
  const values: unknown[] = [accountId, page.fromDay, page.toDay];
  const conditions = ['account_id = $1', 'usage_day BETWEEN $2::date AND $3::date', ...filters(filter, values)];
  if (filter.before !== null) conditions.push(`request_id < $${values.push(filter.before)}`);
  const text = `SELECT ${COLUMNS} FROM metering.usage WHERE ${conditions.join(' AND ')}
    ORDER BY request_id DESC LIMIT $${values.push(page.limit)}`;
  return { text, values };
}

/** Ids of calls with a tag, newest first. */
export function taggedQuery(
  accountId: string,
  { tag, before }: { tag: { name: string; value: string }; before: string | null },
  page: DaySpan & { limit: number },
): Query {
  const values: unknown[] = [accountId, tag.name, tag.value, page.fromDay, page.toDay, page.limit];
  const older = before === null ? '' : `AND request_id < $${values.push(before)}`;
  const text = `SELECT request_id FROM metering.usage_tags
    WHERE account_id = $1 AND name = $2 AND value = $3 AND usage_day BETWEEN $4::date AND $5::date ${older}
    ORDER BY request_id DESC LIMIT $6`;
  return { text, values };
}

/** Those of some calls that the other filters let through, newest first. */
export function callsQuery(accountId: string, filter: ActivityFilter, requestIds: readonly string[]): Query {
  const values: unknown[] = [accountId, requestIds, [...new Set(requestIds.map(uuid7Day))]];
  const conditions = ['account_id = $1', 'request_id = ANY ($2::uuid[])', 'usage_day = ANY ($3::date[])'];
  conditions.push(...filters(filter, values));
  return { text: `SELECT ${COLUMNS} FROM metering.usage WHERE ${conditions.join(' AND ')} ORDER BY request_id DESC`, values };
}

function filters(filter: ActivityFilter, values: unknown[]): string[] {
  const value = (given: unknown) => `$${values.push(given)}`;
  const { requestId, keyId, model, projectId, status, fromMs, toMs } = filter;
  return [
    ...(requestId === undefined ? [] : [`usage_day = ${value(uuid7Day(requestId))}::date`, `request_id = ${value(requestId)}`]),
    ...(keyId === null ? [] : [`key_id = ${value(keyId)}`]),
    ...(model === null ? [] : [`model = ${value(model)}`]),
    ...(projectId === undefined ? [] : [`project_id = ${value(projectId)}`]),
    ...(status === undefined ? [] : [STATUSES[status]]),
    ...(fromMs === undefined ? [] : [`admitted_at >= to_timestamp(${value(fromMs / 1_000)})`]),
    ...(toMs === undefined ? [] : [`admitted_at < to_timestamp(${value(toMs / 1_000)})`]),
  ];
}

/** When the account's calls with the key and the model began and ended, by full hours. */
export function hoursQuery(accountId: string, { keyId, model }: Pick<ActivityFilter, 'keyId' | 'model'>): Query {
  const values: unknown[] = [accountId];
  // One of them alone has an index of its own to be found by; both together could be a search through all of either.
  const isNarrow = keyId !== null && model !== null;
  const narrow = isNarrow ? ` AND key_id = $${values.push(keyId)} AND model = $${values.push(model)}` : '';
  const ends = isNarrow ? 'max(hour)' : 'NULL::timestamptz';
  return {
    text: `SELECT min(hour) AS first, ${ends} AS last FROM metering.hourly_rollups WHERE account_id = $1${narrow}`,
    values,
  };
}
