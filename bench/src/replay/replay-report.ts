import type { AuditReport } from '../audit/audit.types.js';
import { formatReport } from '../audit/audit-table.js';
import type { ActivityComparison } from './compare-activity.js';
import type { Distribution } from './percentiles.js';
import type { ReplayOptions } from './replay-options.js';
import type { TallyFigures } from './replay-tally.js';
import type { ResidentMemory } from './resident-memory.js';

export interface ReplayReport extends TallyFigures {
  trace: string;
  options: ReplayOptions;
  /** E-mail address of the account that was made for the run. */
  account: string;
  /** With arrival times: by how much the latest start came after its time. Null without. */
  lateMsMax: number | null;
  /** Last byte → row visible in GET /api/activity, of one key's calls. */
  visibleMs: Distribution & { unseen: number; failedPolls: number };
  activity: ActivityComparison;
  rssBytes: Record<string, ResidentMemory>;
  audit: AuditReport;
}

const MEBIBYTE = 1_024 ** 2;

/** Whether every call was answered, booked once and exactly, and every book agrees. */
export function isSound({ failed, activity, visibleMs, audit }: ReplayReport): boolean {
  return failed + activity.lost + activity.doubled + activity.mismatched + visibleMs.unseen + audit.differences === 0;
}

export function formatReplay(report: ReplayReport): string {
  const { activity, visibleMs } = report;
  const lines = [
    formatReport(report.audit).trimEnd(),
    '',
    `requests     ${report.requests} in ${(report.durationMs / 1_000).toFixed(1)} s = ${report.requestsPerSecond} req/s, ${report.streamed} streamed, ${report.failed} failed`,
    `tokens       ${report.inputTokens} in, ${report.outputTokens} out`,
    `latency      ${formatDistribution(report.latencyMs)}`,
    `to the head  ${formatDistribution(report.headMs)}`,
    `visible      ${formatDistribution(visibleMs)} after the last byte (${visibleMs.count} calls sampled, ${visibleMs.unseen} not seen, ${visibleMs.failedPolls} polls failed)`,
    ...(report.lateMsMax === null ? [] : [`pace         latest start ${report.lateMsMax} ms after its time`]),
    `memory       ${Object.entries(report.rssBytes)
      .map(([name, rss]) => `${name} ${mebibytes(rss.last)} (peak ${mebibytes(rss.peak)}) MiB`)
      .join(', ')}`,
    `activity     ${activity.rows} rows: lost ${activity.lost}, doubled ${activity.doubled}, mismatched ${activity.mismatched}`,
    ...report.failures.map(
      ({ count, problem, requestId }) => `  ${count} × ${problem}${requestId === null ? '' : ` (${requestId})`}`,
    ),
    ...activity.examples.map((sentence) => `  ${sentence}`),
    '',
    isSound(report) ? 'Sound: every call was answered, booked once and exactly.' : 'NOT SOUND: see above.',
  ];
  return `${lines.join('\n')}\n`;
}

function formatDistribution({ p50, p90, p99, max }: Distribution): string {
  if (p50 === null) return 'nothing measured';
  return `p50 ${p50} ms, p90 ${p90} ms, p99 ${p99} ms, max ${max} ms`;
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / MEBIBYTE);
}

/** Money and counts leave as decimal strings: JSON numbers are doubles. */
export function replayJson(report: ReplayReport): string {
  const plain = (_key: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value);
  return `${JSON.stringify({ ...report, isSound: isSound(report) }, plain, 2)}\n`;
}
