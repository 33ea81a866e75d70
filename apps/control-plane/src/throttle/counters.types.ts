import type { Count, Standing } from './throttle.rules.js';

export interface Entry {
  /** True when one of the windows was full; then nothing was counted in any. */
  isRefused: boolean;
  /** Of each window, in the order of the counts, with this one in it. */
  standings: Standing[];
}

/** Where windows are counted. */
export interface Counters {
  /** Counts one for each, or for none when one of them is full. */
  enter(counts: readonly Count[], nowMs: number): Promise<Entry>;
  /** Takes one back: the event says nothing after all. */
  giveBack(counts: readonly Count[]): Promise<void>;
  clear(counts: readonly Count[]): Promise<void>;
}
