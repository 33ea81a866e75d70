import type { UsageSum, UsageSummaryGetRequest } from '@tensorloop/contracts/rpc';
import { DAY_MS, utcDay } from '@tensorloop/kernel/budget-window';
import { uuid7Time } from '@tensorloop/kernel/uuid7';

/** Days of usage looked through at first, and by what the span grows as long as the page is not full. */
const SPAN_DAYS_FIRST = 8;
const SPAN_GROWTH = 4;
/** No usage is older (the first day that may have a partition). */
const FIRST_DAY_MS = Date.UTC(2026, 0, 1);
/** A summary's longest range. */
export const SUMMARY_DAYS_MAX = 366;

/** UTC days, both included, newest span first. */
export interface DaySpan {
  fromDay: string;
  toDay: string;
}

/** What bounds the days of a page. */
export interface SpanBounds {
  before: string | null;
  /** The account's first call that is booked; null = it has none. */
  firstAtMs: number | null;
  fromMs?: number | undefined;
  toMs?: number | undefined;
}

/**
 * Spans of days to look through for the page before `before`, newest first: 8 days, then 32, 128 … down to the first day
 * there can be. Bounding the day keeps every query away from the partitions it cannot need; pages are nearly always
 * filled by the first span. Days are those of ids, and an id may be a day off its admission, or ahead of our clock.
 */
export function activitySpans({ before, firstAtMs, ...range }: SpanBounds, nowMs: number): DaySpan[] {
  if (firstAtMs === null) return [];
  const beforeMs = before === null ? Number.POSITIVE_INFINITY : uuid7Time(before);
  let toMs = Math.min(beforeMs, nowMs + DAY_MS, (range.toMs ?? Number.POSITIVE_INFINITY) + DAY_MS);
  const firstMs = Math.max(FIRST_DAY_MS, startOfDay(firstAtMs - DAY_MS), startOfDay((range.fromMs ?? 0) - DAY_MS));
  const spans: DaySpan[] = [];
  for (let days = SPAN_DAYS_FIRST; toMs >= firstMs; days *= SPAN_GROWTH) {
    const fromMs = Math.max(firstMs, toMs - (days - 1) * DAY_MS);
    spans.push({ fromDay: utcDay(fromMs), toDay: utcDay(toMs) });
    toMs = fromMs - DAY_MS;
  }
  return spans;
}

/** Why a summary's range cannot be answered, or null. The contract has checked the form of the days only. */
export function checkRange({ fromDay, toDay }: Pick<UsageSummaryGetRequest, 'fromDay' | 'toDay'>): string | null {
  if (!isRealDay(fromDay) || !isRealDay(toDay)) return 'fromDay and toDay must be days of the calendar';
  if (fromDay > toDay) return 'fromDay must not be after toDay';
  const days = (Date.parse(toDay) - Date.parse(fromDay)) / DAY_MS + 1;
  return days > SUMMARY_DAYS_MAX ? `at most ${SUMMARY_DAYS_MAX} days can be asked for at once` : null;
}

function startOfDay(ms: number): number {
  return ms - (ms % DAY_MS);
}

function isRealDay(day: string): boolean {
  const ms = Date.parse(day);
  return !Number.isNaN(ms) && utcDay(ms) === day;
}

export const NO_USAGE: UsageSum = { requests: 0, inputTokens: 0, outputTokens: 0, chargeNanoUsd: '0' };
