import type { ActivityPage, UsageSummary } from '@tensorloop/contracts/dashboard-api';
import type { ActivityListReply, ActivityRow, UsageSum, UsageSummaryGetReply } from '@tensorloop/contracts/rpc';
import { formatUsd } from '@tensorloop/kernel/money';
import { toCursor } from './usage.rules.js';

type ActivityListed = Extract<ActivityListReply, { ok: true }>;
type UsageSummed = Extract<UsageSummaryGetReply, { ok: true }>;

export function toActivityPage(reply: ActivityListed): ActivityPage {
  const last = reply.rows.at(-1);
  return {
    data: reply.rows.map(toActivityItem),
    hasMore: reply.hasMore,
    nextCursor: reply.hasMore && last !== undefined ? toCursor(last.requestId) : null,
    dataThrough: new Date(reply.dataThroughMs).toISOString(),
  };
}

function toActivityItem({ admittedAtMs, chargeNanoUsd, ...row }: ActivityRow): ActivityPage['data'][number] {
  return { ...row, time: new Date(admittedAtMs).toISOString(), ...toCost(chargeNanoUsd) };
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

function toSum<Sum extends UsageSum>({ chargeNanoUsd, ...sum }: Sum) {
  return { ...sum, ...toCost(chargeNanoUsd) };
}

/** Exact, twice: whole nano-USD for machines, decimal USD for people. */
function toCost(chargeNanoUsd: string): { costNanoUsd: string; costUsd: string } {
  return { costNanoUsd: chargeNanoUsd, costUsd: formatUsd(BigInt(chargeNanoUsd)) };
}
