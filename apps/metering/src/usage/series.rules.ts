import { TAG_SUMS_KEPT_DAYS } from '@tensorloop/contracts/tags';
import {
  type Latency,
  SERIES_DAYS_MAX,
  SERIES_GROUPS_MAX,
  SERIES_HOUR_DAYS_MAX,
  type SeriesSum,
  type UsageSeriesGetRequest,
} from '@tensorloop/contracts/usage-series';
import { DAY_MS } from '@tensorloop/kernel/budget-window';
import { latencyPercentile } from '@tensorloop/kernel/latency-histogram';
import { addDays, countDays, isFullHour, isTimeZone, startOfDay } from './time-zone.rules.js';

const HOUR_MS = 60 * 60 * 1_000;
/** Sums begin with 2026; days before are empty, and year 0 exists in JavaScript but not in PostgreSQL. */
const FIRST_DAY = '2000-01-01';
const LAST_DAY = '2100-01-01';

export interface Period {
  fromDay: string;
  toDay: string;
  startMs: number;
  endMs: number;
  /** When each day begins. */
  days: { day: string; startMs: number }[];
}

export type Periods =
  | { ok: true; current: Period; previous: Period }
  | {
      ok: false;
      code: 'invalid_range' | 'invalid_time_zone' | 'time_zone_unsupported' | 'filter_unsupported';
      message: string;
    };

type Question = Omit<UsageSeriesGetRequest, 'accountId'>;

/** The instants between which to sum, or what is wrong with the question. */
export function periodsOf(request: Question, nowMs: number): Periods {
  const { fromDay, toDay, timeZone, groupBy } = request;
  const problem = rangeProblem(fromDay, toDay, groupBy === 'hour' ? SERIES_HOUR_DAYS_MAX : SERIES_DAYS_MAX);
  if (problem !== null) return { ok: false, code: 'invalid_range', message: problem };
  const unsupported = filterProblem(request);
  if (unsupported !== null) return { ok: false, code: 'filter_unsupported', message: unsupported };
  if (!isTimeZone(timeZone)) return { ok: false, code: 'invalid_time_zone', message: `there is no time zone ${timeZone}` };
  const days = countDays(fromDay, toDay);
  const current = period({ fromDay, toDay, timeZone });
  const previous = period({ fromDay: addDays(fromDay, -days), toDay: addDays(fromDay, -1), timeZone });
  if (![...previous.days, ...current.days, { startMs: current.endMs }].every(({ startMs }) => isFullHour(startMs))) {
    const message = `days of ${timeZone} begin within an hour of UTC, and sums are kept by the hour: ask for another time zone`;
    return { ok: false, code: 'time_zone_unsupported', message };
  }
  if (isOfTags(request) && previous.startMs < nowMs - TAG_SUMS_KEPT_DAYS * DAY_MS) {
    const message = `sums of tags are kept for ${TAG_SUMS_KEPT_DAYS} days, and the days before the ones asked for are summed too`;
    return { ok: false, code: 'invalid_range', message };
  }
  return { ok: true, current, previous };
}

function isOfTags({ groupBy, tag, stackBy }: Question): boolean {
  return groupBy === 'tag' || tag !== undefined || stackBy?.groupBy === 'tag';
}

/** Sums are kept by hour, key and model, and by hour and project or tag; not by both. */
function filterProblem(request: Question): string | null {
  const { groupBy, keyId, model, projectId, tag, stackBy } = request;
  const isOverTime = groupBy === 'day' || groupBy === 'hour';
  const isOfCalls = keyId !== null || model !== null;
  const isAttributed = projectId !== undefined || tag !== undefined;
  if (stackBy !== undefined && !isOverTime) return `parts can be told of days and hours, not by ${groupBy}`;
  if (isOfCalls && (groupBy === 'project' || groupBy === 'tag')) return `sums by ${groupBy} are not kept by key or model`;
  if (isOfCalls && (stackBy?.groupBy === 'project' || stackBy?.groupBy === 'tag')) {
    return `sums by ${stackBy.groupBy} are not kept by key or model`;
  }
  if (!isAttributed) return null;
  if (projectId !== undefined && tag !== undefined) return 'sums of a project are not kept by tag: ask for one of them';
  if (isOfCalls) return 'sums of a project or tag are not kept by key or model: ask for one of them';
  if (!isOverTime) return `sums of a project or tag are kept by day and hour, not by ${groupBy}`;
  return stackBy === undefined ? null : 'sums of a project or tag are not kept in parts';
}

function period({ fromDay, toDay, timeZone }: { fromDay: string; toDay: string; timeZone: string }): Period {
  const startsMs: number[] = [];
  for (let at = 0; at <= countDays(fromDay, toDay); at++) {
    const before = startsMs.at(-1);
    // Nearly every day is 24 hours long.
    startsMs.push(startOfDay(addDays(fromDay, at), timeZone, before === undefined ? undefined : before + DAY_MS));
  }
  const days = startsMs.slice(0, -1).map((startMs, at) => ({ day: addDays(fromDay, at), startMs }));
  return { fromDay, toDay, startMs: startsMs[0] as number, endMs: startsMs.at(-1) as number, days };
}

function rangeProblem(fromDay: string, toDay: string, daysMax: number): string | null {
  if (!isRealDay(fromDay) || !isRealDay(toDay)) return 'from and to must be days of the calendar';
  if (fromDay < FIRST_DAY || toDay > LAST_DAY) return `days are counted from ${FIRST_DAY} to ${LAST_DAY}`;
  if (fromDay > toDay) return 'from must not be after to';
  return countDays(fromDay, toDay) > daysMax ? `at most ${daysMax} days can be asked for at once` : null;
}

function isRealDay(day: string): boolean {
  const ms = Date.parse(`${day}T00:00:00.000Z`);
  return !Number.isNaN(ms) && addDays(day, 0) === day;
}

/** A sum of one group, with the calls by bucket of latency where they were asked for. */
export interface GroupSum {
  sum: SeriesSum;
  latency?: number[];
  firstByte?: number[];
}

/** A point of time on the axis. */
export interface Slot {
  group: string;
  startMs: number;
}

/** Every day or hour of the period, none left out. */
export function slotsOf({ days, startMs, endMs }: Period, groupBy: 'day' | 'hour'): Slot[] {
  if (groupBy === 'day') return days.map(({ day, startMs }) => ({ group: day, startMs }));
  return Array.from({ length: (endMs - startMs) / HOUR_MS }, (_, hour) => {
    const at = startMs + hour * HOUR_MS;
    return { group: new Date(at).toISOString(), startMs: at };
  });
}

export const NO_CALLS: SeriesSum = { requests: 0, failed: 0, inputTokens: 0, outputTokens: 0, chargeNanoUsd: '0' };

export function addUp(sums: Iterable<SeriesSum>): SeriesSum {
  const total = { ...NO_CALLS };
  let charge = 0n;
  for (const sum of sums) {
    total.requests += sum.requests;
    total.failed += sum.failed;
    total.inputTokens += sum.inputTokens;
    total.outputTokens += sum.outputTokens;
    charge += BigInt(sum.chargeNanoUsd);
  }
  return { ...total, chargeNanoUsd: charge.toString() };
}

/** What is left of `total` without `part`. Never below 0: the two may be read a moment apart, and calls be booked in between. */
export function without(total: SeriesSum, part: SeriesSum): SeriesSum {
  const charge = BigInt(total.chargeNanoUsd) - BigInt(part.chargeNanoUsd);
  return {
    requests: Math.max(0, total.requests - part.requests),
    failed: Math.max(0, total.failed - part.failed),
    inputTokens: Math.max(0, total.inputTokens - part.inputTokens),
    outputTokens: Math.max(0, total.outputTokens - part.outputTokens),
    chargeNanoUsd: (charge > 0n ? charge : 0n).toString(),
  };
}

/** The dearest first, then the most called; beyond SERIES_GROUPS_MAX they are one sum. */
export function ranked<Group extends { group: string | null; sum: SeriesSum }>(groups: readonly Group[]) {
  const sorted = groups.toSorted((a, b) => {
    const dearer = BigInt(b.sum.chargeNanoUsd) - BigInt(a.sum.chargeNanoUsd);
    if (dearer !== 0n) return dearer > 0n ? 1 : -1;
    return b.sum.requests - a.sum.requests || String(a.group).localeCompare(String(b.group));
  });
  const rest = sorted.slice(SERIES_GROUPS_MAX);
  const others = rest.length === 0 ? null : { groups: rest.length, ...addUp(rest.map(({ sum }) => sum)) };
  return { groups: sorted.slice(0, SERIES_GROUPS_MAX), others };
}

/** Null where no latencies were asked for. */
export function toLatency(groups: readonly GroupSum[]): Latency | null {
  if (groups.some((group) => group.latency === undefined)) return null;
  return {
    latencyMs: percentiles(groups.map((group) => group.latency ?? [])),
    firstByteMs: percentiles(groups.map((group) => group.firstByte ?? [])),
  };
}

function percentiles(histograms: readonly (readonly number[])[]): Latency['latencyMs'] {
  const counts: number[] = [];
  for (const histogram of histograms) {
    for (const [bucket, calls] of histogram.entries()) counts[bucket] = (counts[bucket] ?? 0) + calls;
  }
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => latencyPercentile(counts, share));
  return p50 == null || p95 == null || p99 == null ? null : { p50, p95, p99 };
}
