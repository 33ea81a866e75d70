import type { Count } from './throttle.rules.js';

/** Where windows are counted. */
export interface Counters {
  /** Counts one for each, or for none when one of them is full; then returns how long to wait, else 0. */
  enter(counts: readonly Count[], nowMs: number): Promise<number>;
  /** Takes one back: the event says nothing after all. */
  giveBack(counts: readonly Count[]): Promise<void>;
  clear(counts: readonly Count[]): Promise<void>;
}
