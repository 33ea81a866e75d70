import type { UsageSeries } from '@tensorloop/contracts/api/usage';
import type { ActivityPage, UsageSummary } from '@tensorloop/contracts/dashboard-api';
import type {
  ActivityListReply,
  ActivityRow,
  RefusalRow,
  RefusalsListReply,
  UsageSum,
  UsageSummaryGetReply,
} from '@tensorloop/contracts/rpc';
import type { UsageSeriesGetReply, UsageSeriesGetRequest } from '@tensorloop/contracts/usage-series';
import { formatUsd } from '@tensorloop/kernel/money';
import { CURSORS } from '../pages/cursor.types.js';
import { statusOf } from './usage.rules.js';

type ActivityListed = Extract<ActivityListReply, { ok: true }>;
type RefusalsListed = Extract<RefusalsListReply, { ok: true }>;
type ActivityItem = ActivityPage['data'][number];
type SeriesSummed = Extract<UsageSeriesGetReply, { ok: true }>;
type UsageSummed = Extract<UsageSummaryGetReply, { ok: true }>;

export function toActivityPage(reply: ActivityListed): ActivityPage {
  return toPage(reply, reply.rows.map(toActivityItem));
}

/** Refused calls as rows of the same list: they cost nothing and used nothing. */
export function toRefusalsPage(reply: RefusalsListed): ActivityPage {
  return toPage(reply, reply.rows.map(toRefusedItem));
}

function toPage(reply: Pick<ActivityListed, 'hasMore' | 'dataThroughMs'>, data: ActivityItem[]): ActivityPage {
  const last = data.at(-1);
  return {
    data,
    hasMore: reply.hasMore,
    nextCursor: reply.hasMore && last !== undefined ? CURSORS.activity.write(last.requestId) : null,
    dataThrough: new Date(reply.dataThroughMs).toISOString(),
  };
}

/** The first `limit` of both, newest first: ids are in the order of admission, and a cursor is an id of either. */
export function mergePages(pages: readonly [ActivityPage, ActivityPage], limit: number): ActivityPage {
  const [a, b] = pages;
  const merged = [...a.data, ...b.data].sort((one, other) => (one.requestId < other.requestId ? 1 : -1));
  const data = merged.slice(0, limit);
  const hasMore = merged.length > limit || a.hasMore || b.hasMore;
  const last = data.at(-1);
  return {
    data,
    hasMore,
    nextCursor: hasMore && last !== undefined ? CURSORS.activity.write(last.requestId) : null,
    dataThrough: a.dataThrough < b.dataThrough ? a.dataThrough : b.dataThrough,
  };
}

/** Without its key, which metering does not know. */
export function toActivityItem({ admittedAtMs, chargeNanoUsd, ...row }: ActivityRow): ActivityItem {
  return { ...row, status: statusOf(row), key: null, time: new Date(admittedAtMs).toISOString(), ...toCost(chargeNanoUsd) };
}

function toRefusedItem({ firstAtMs, lastAtMs, code, count, ...row }: RefusalRow): ActivityItem {
  return {
    ...row,
    status: 'refused',
    key: null,
    time: new Date(lastAtMs).toISOString(),
    stream: false,
    outcome: 'refused',
    estimated: false,
    usage: {},
    ...toCost('0'),
    latencyMs: 0,
    firstByteMs: null,
    refusal: { code, count, firstTime: new Date(firstAtMs).toISOString() },
  };
}

export function toUsageSummary(days: { from: string; to: string }, reply: UsageSummed): UsageSummary {
  return {
    ...days,
    total: toSum(reply.total),
    byDay: reply.byDay.map(toSum),
    byModel: reply.byModel.map(toSum),
    byKey: reply.byKey.map(toSum),
    dataThrough: new Date(reply.dataThroughMs).toISOString(),
  };
}

/** Of one project or tag: the days on which it had calls. */
export function toAttributedSummary(days: { from: string; to: string }, reply: SeriesSummed): UsageSummary {
  const sumOf = ({ requests, inputTokens, outputTokens, chargeNanoUsd }: UsageSum) =>
    toSum({ requests, inputTokens, outputTokens, chargeNanoUsd });
  return {
    ...days,
    total: sumOf(reply.total),
    byDay: reply.groups.filter(({ requests }) => requests > 0).map((sum) => ({ day: sum.group ?? '', ...sumOf(sum) })),
    byModel: null,
    byKey: null,
    dataThrough: new Date(reply.dataThroughMs).toISOString(),
  };
}

function toSum<Sum extends UsageSum>({ chargeNanoUsd, ...sum }: Sum) {
  return { ...sum, ...toCost(chargeNanoUsd) };
}

/** Exact, twice: whole nano-USD for machines, decimal USD for people. */
export function toCost(chargeNanoUsd: string): { costNanoUsd: string; costUsd: string } {
  return { costNanoUsd: chargeNanoUsd, costUsd: formatUsd(BigInt(chargeNanoUsd)) };
}

/** `names`: of the keys or projects that groups are of; null where groups are of anything else. Without its stacks. */
export function toUsageSeries(
  request: UsageSeriesGetRequest,
  reply: SeriesSummed,
  names: ReadonlyMap<string, string> | null,
): UsageSeries {
  const { groupBy, tagName, timeZone } = request;
  const { period, previous } = reply;
  const labelled = <Group extends { group: string | null }>(group: Group) =>
    names === null ? group : { ...group, label: group.group === null ? null : (names.get(group.group) ?? null) };
  return {
    groupBy: tagName === null ? groupBy : `tag:${tagName}`,
    timeZone,
    ...toPeriod(period),
    total: toSum(reply.total),
    latency: reply.latency,
    data: toGroups(reply.groups, period.endMs).map(labelled),
    others: reply.others === null ? null : toSum(reply.others),
    stacks: null,
    previous: {
      ...toPeriod(previous),
      total: toSum(previous.total),
      data: toGroups(previous.groups, previous.endMs).map(labelled),
    },
    dataThrough: new Date(reply.dataThroughMs).toISOString(),
  };
}

function toPeriod({ fromDay, toDay, startMs, endMs }: SeriesSummed['period']) {
  return { from: fromDay, to: toDay, start: new Date(startMs).toISOString(), end: new Date(endMs).toISOString() };
}

/** Days and hours come in their order with none left out: each ends where the next begins. */
function toGroups<Group extends UsageSum & { startMs?: number | undefined }>(groups: readonly Group[], endMs: number) {
  return groups.map((group, at) => toGroup(group, groups[at + 1]?.startMs ?? endMs));
}

function toGroup<Group extends UsageSum & { startMs?: number | undefined }>({ startMs, ...group }: Group, endMs: number) {
  return {
    ...toSum(group as Omit<Group, 'startMs'> & UsageSum),
    ...(startMs === undefined ? {} : { start: new Date(startMs).toISOString(), end: new Date(endMs).toISOString() }),
  };
}
