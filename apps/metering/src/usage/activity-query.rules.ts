import type { ActivityListRequest, ActivityStatus } from '@tensorloop/contracts/rpc';
import { uuid7Day } from '@tensorloop/kernel/uuid7';
import type { DaySpan } from './usage.rules.js';
import { FAILED_OUTCOMES } from './usage.types.js';

export type ActivityFilter = Omit<ActivityListRequest, 'accountId' | 'limit'>;

const COLUMNS = `u.request_id, u.admitted_at, u.key_id, u.model, u.endpoint, u.is_stream, u.outcome, u.http_status, u.is_estimated,
    u.quantities, u.charge_nano_usd, u.latency_ms, u.first_byte_ms, u.project_id, u.tags`;

const failed = `u.outcome IN (${FAILED_OUTCOMES.map((outcome) => `'${outcome}'`).join(', ')})`;
/** Written out and not parameters: what a partial index is for must be known when the query is planned. */
const STATUSES: Record<ActivityStatus, string> = {
  succeeded: `NOT ${failed}`,
  failed,
  estimated: 'u.is_estimated',
};

/**
 * One page of one span. Only the filters that are given stand in the text, so that PostgreSQL plans for them: each has an index
 * that is newest first. A tag is found by the table of tags.
 */
export function activityQuery(
  accountId: string,
  filter: ActivityFilter,
  page: DaySpan & { limit: number },
): { text: string; values: unknown[] } {
  const values: unknown[] = [];
  const value = (given: unknown) => `$${values.push(given)}`;
  const tag = filter.tag === undefined ? null : filter.tag;
  /** Whose rows are walked through: the order and its bounds are theirs. */
  const walked = tag === null ? 'u' : 't';
  const conditions = [
    `${walked}.account_id = ${value(accountId)}`,
    ...(tag === null ? [] : [`t.name = ${value(tag.name)}`, `t.value = ${value(tag.value)}`, `u.account_id = $1`]),
    `${walked}.usage_day BETWEEN ${value(page.fromDay)}::date AND ${value(page.toDay)}::date`,
    ...(filter.before === null ? [] : [`${walked}.request_id < ${value(filter.before)}`]),
    ...(filter.requestId === undefined
      ? []
      : [`u.usage_day = ${value(uuid7Day(filter.requestId))}::date`, `u.request_id = ${value(filter.requestId)}`]),
    ...(filter.keyId === null ? [] : [`u.key_id = ${value(filter.keyId)}`]),
    ...(filter.model === null ? [] : [`u.model = ${value(filter.model)}`]),
    ...(filter.projectId === undefined ? [] : [`u.project_id = ${value(filter.projectId)}`]),
    ...(filter.status === undefined ? [] : [STATUSES[filter.status]]),
    ...(filter.fromMs === undefined ? [] : [`u.admitted_at >= to_timestamp(${value(filter.fromMs / 1_000)})`]),
    ...(filter.toMs === undefined ? [] : [`u.admitted_at < to_timestamp(${value(filter.toMs / 1_000)})`]),
  ];
  // Named in the order in which partitions are made: locks are taken in that order, and there is no deadlock.
  const from = `metering.usage u${tag === null ? '' : ' JOIN metering.usage_tags t USING (usage_day, request_id)'}`;
  const text = `
  SELECT ${COLUMNS}
  FROM ${from}
  WHERE ${conditions.join('\n    AND ')}
  ORDER BY ${walked}.request_id DESC
  LIMIT ${value(page.limit)}`;
  return { text, values };
}
