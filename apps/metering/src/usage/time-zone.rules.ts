const HOUR_MS = 60 * 60 * 1_000;
const DAY_MS = 24 * HOUR_MS;
/** No zone is further from UTC, in either direction. */
const OFFSET_MS_MAX = 15 * HOUR_MS;
/** Offsets are multiples of it, and so are their changes. */
const STEP_MS = 15 * 60 * 1_000;
/** Zones remembered; the memory is dropped beyond it rather than grown. */
const ZONES_REMEMBERED_MAX = 100;

const formats = new Map<string, Intl.DateTimeFormat>();

/** Whether the time zone's name is one that IANA gave, in any case of letters. */
export function isTimeZone(timeZone: string): boolean {
  try {
    return formatOf(timeZone) !== null;
  } catch {
    return false;
  }
}

/** The day that a calendar in the zone shows at an instant: "2026-11-21". */
export function localDay(ms: number, timeZone: string): string {
  return formatOf(timeZone).format(ms);
}

/**
 * When a day begins in the zone (Unix ms): the first quarter of an hour that its calendar shows it, found by halving. Where clocks
 * go forward at midnight that is at one o'clock. A guess, at a full quarter, is looked
 * at first: calendars are slow.
 */
export function startOfDay(day: string, timeZone: string, guessMs?: number): number {
  if (guessMs !== undefined && localDay(guessMs, timeZone) >= day && localDay(guessMs - STEP_MS, timeZone) < day)
    return guessMs;
  const midnightMs = Date.parse(`${day}T00:00:00.000Z`);
  let [before, within] = [midnightMs - OFFSET_MS_MAX - STEP_MS, midnightMs + OFFSET_MS_MAX];
  while (within - before > STEP_MS) {
    const middle = before + Math.floor((within - before) / STEP_MS / 2) * STEP_MS;
    if (localDay(middle, timeZone) < day) before = middle;
    else within = middle;
  }
  return within;
}

/** Sums are kept by the hour of UTC: a day that begins within one could not be told from its neighbour. */
export function isFullHour(ms: number): boolean {
  return ms % HOUR_MS === 0;
}

/** Days of the calendar from `day`, `days` of them may be negative. */
export function addDays(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00.000Z`) + days * DAY_MS).toISOString().slice(0, 10);
}

export function countDays(fromDay: string, toDay: string): number {
  return (Date.parse(toDay) - Date.parse(fromDay)) / DAY_MS + 1;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  // Swedes write dates as ISO 8601 does.
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
  if (formats.size >= ZONES_REMEMBERED_MAX) formats.clear();
  formats.set(timeZone, format);
  return format;
}
