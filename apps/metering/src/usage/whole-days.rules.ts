import { DAY_MS, utcDay } from '@tensorloop/kernel/budget-window';

export interface RangeParts {
  /** Ranges of hours at either end: from, included, until, excluded (Unix ms). */
  hours: { startMs: number; endMs: number }[];
  /** Days of UTC that lie in the range from beginning to end: from, included, until, excluded. */
  days: { fromDay: string; untilDay: string } | null;
}

/**
 * A range of full hours in parts that have sums of their own: each hour of it is in one part, once. Most of a long range is whole
 * days, which have up to 24 times fewer rows than their hours.
 */
export function partsOf({ startMs, endMs }: { startMs: number; endMs: number }): RangeParts {
  const firstDayMs = Math.ceil(startMs / DAY_MS) * DAY_MS;
  const lastDayMs = Math.floor(endMs / DAY_MS) * DAY_MS;
  if (firstDayMs >= lastDayMs) return { hours: [{ startMs, endMs }], days: null };
  const ends = [
    { startMs, endMs: firstDayMs },
    { startMs: lastDayMs, endMs },
  ];
  return {
    hours: ends.filter((part) => part.startMs < part.endMs),
    days: { fromDay: utcDay(firstDayMs), untilDay: utcDay(lastDayMs) },
  };
}
