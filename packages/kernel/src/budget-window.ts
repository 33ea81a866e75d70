/**
 * Budget windows (spec TL-4): consecutive periods of exactly 30 × 24 h counted from the instant a key was minted, in UTC
 * milliseconds, so that neither calendar months nor time zones nor daylight saving move them. Computed, never scheduled.
 */
export const WINDOW_MS = 30 * 24 * 60 * 60 * 1000;
export const DAY_MS = 24 * 60 * 60 * 1000;

export interface BudgetWindow {
  /** 0 for the window that begins at the mint instant. */
  index: number;
  /** Unix milliseconds, inclusive. */
  startMs: number;
  /** Unix milliseconds, exclusive: the instant the budget resets. */
  endMs: number;
}

/** The window that contains `nowMs`. An instant before the mint (clock skew) belongs to window 0. */
export function budgetWindow(mintedAtMs: number, nowMs: number): BudgetWindow {
  const index = Math.max(0, Math.floor((nowMs - mintedAtMs) / WINDOW_MS));
  const startMs = mintedAtMs + index * WINDOW_MS;
  return { index, startMs, endMs: startMs + WINDOW_MS };
}

/** The day that was written last: to write one takes longer than most of what is done for a call, and calls are of today. */
let lastDay = { number: Number.NaN, text: '' };

/** UTC day of an instant, "2026-11-21". */
export function utcDay(nowMs: number): string {
  const number = Math.floor(nowMs / DAY_MS);
  if (number !== lastDay.number) lastDay = { number, text: new Date(nowMs).toISOString().slice(0, 10) };
  return lastDay.text;
}
