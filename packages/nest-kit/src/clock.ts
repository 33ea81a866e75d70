/** Injection token of the wall clock. Nothing else in a service reads wall time. */
export const CLOCK = Symbol('CLOCK');

/** Unix milliseconds. */
export type Clock = () => number;

/**
 * The machine's clock, moved by `skewMs`: tests give two services clocks that disagree, as machines' clocks do. Durations
 * are measured with `performance.now()`, which no skew touches.
 */
export function wallClock(skewMs = 0): Clock {
  return skewMs === 0 ? Date.now : () => Date.now() + skewMs;
}
