import type { UsageSeriesQuery } from '@tensorloop/contracts/api/usage';
import { isFailed, type Outcome } from '@tensorloop/contracts/request-completed';
import type { ActivityStatus } from '@tensorloop/contracts/rpc';

const DAY_MS = 86_400_000;
/** Days in the summary when none are asked for. */
const DAYS_DEFAULT = 30;
export const DAYS_MAX = 366;
const FIRST_DAY_MESSAGE = 'days are counted from 1970-01-01 on';

/** Of an admitted call, in a word of the filter that finds it. That usage was counted here is said of an answer that came. */
export function statusOf({ outcome, estimated }: { outcome: Outcome; estimated: boolean }): ActivityStatus {
  if (isFailed(outcome)) return 'failed';
  return estimated ? 'estimated' : 'succeeded';
}

export type DayRange = { ok: true; from: string; to: string } | { ok: false; pointer: string; message: string };

/** The days [from, to] to sum over, both included: by default the last 30 UTC days. */
export function dayRange(query: { from?: string | undefined; to?: string | undefined }, nowMs: number): DayRange {
  const toMs = query.to === undefined ? startOfDay(nowMs) : parseDay(query.to);
  if (toMs === null) return { ok: false, pointer: '/to', message: 'this day does not exist' };
  const fromMs = query.from === undefined ? toMs - (DAYS_DEFAULT - 1) * DAY_MS : parseDay(query.from);
  if (fromMs === null) return { ok: false, pointer: '/from', message: 'this day does not exist' };
  if (fromMs > toMs) return { ok: false, pointer: '/from', message: '"from" lies after "to"' };
  // Below the first day there is nothing to find, and year 0 exists in JavaScript but not in PostgreSQL.
  if (toMs < 0) return { ok: false, pointer: '/to', message: FIRST_DAY_MESSAGE };
  if (fromMs < 0) return { ok: false, pointer: '/from', message: FIRST_DAY_MESSAGE };
  if (toMs - fromMs >= DAYS_MAX * DAY_MS) return { ok: false, pointer: '/from', message: `at most ${DAYS_MAX} days at once` };
  return { ok: true, from: toDay(fromMs), to: toDay(toMs) };
}

/** Days in a series when none are asked for, and of hours. */
const SERIES_DAYS_DEFAULT = 30;
const SERIES_HOUR_DAYS_DEFAULT = 2;

/** The days of a series in its time zone; those that are left out end with today. Null when there is no such time zone. */
export function seriesDays(
  { from, to, timeZone, groupBy }: Pick<UsageSeriesQuery, 'from' | 'to' | 'timeZone' | 'groupBy'>,
  nowMs: number,
): { fromDay: string; toDay: string } | null {
  const toDayAsked = to ?? localDay(nowMs, timeZone);
  if (toDayAsked === null) return null;
  if (from !== undefined) return { fromDay: from, toDay: toDayAsked };
  const days = groupBy.groupBy === 'hour' ? SERIES_HOUR_DAYS_DEFAULT : SERIES_DAYS_DEFAULT;
  const toMs = parseDay(toDayAsked);
  // A day that does not exist is metering's to refuse.
  return { fromDay: toMs === null ? toDayAsked : toDay(toMs - (days - 1) * DAY_MS), toDay: toDayAsked };
}

function localDay(nowMs: number, timeZone: string): string | null {
  try {
    // Swedes write dates as ISO 8601 does.
    return new Intl.DateTimeFormat('sv-SE', { timeZone }).format(nowMs);
  } catch {
    return null;
  }
}

function startOfDay(nowMs: number): number {
  return nowMs - (nowMs % DAY_MS);
}

/** Null for the 30th of February, which Date would move to March. */
function parseDay(day: string): number | null {
  const ms = Date.parse(`${day}T00:00:00.000Z`);
  return Number.isNaN(ms) || toDay(ms) !== day ? null : ms;
}

function toDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
