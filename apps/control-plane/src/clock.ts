/** Injection token of the clock: Unix milliseconds. Tests pass their own. */
export const CLOCK = Symbol('clock');
export type Clock = () => number;
