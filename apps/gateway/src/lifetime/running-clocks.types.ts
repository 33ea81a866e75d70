import { uptime } from 'node:os';

const MS_PER_SECOND = 1_000;

/** Ms that never go back. */
export type RunningClocks = readonly (() => number)[];

/** The second goes on while the machine sleeps, and the first does not. */
export const RUNNING_CLOCKS: RunningClocks = [() => performance.now(), () => uptime() * MS_PER_SECOND];

export function readClocks(clocks: RunningClocks): number[] {
  return clocks.map((clock) => clock());
}

/** By the clock that saw most of it pass. */
export function passedMs(beforeMs: readonly number[], afterMs: readonly number[]): number {
  return Math.max(...afterMs.map((atMs, index) => atMs - (beforeMs[index] as number)));
}
