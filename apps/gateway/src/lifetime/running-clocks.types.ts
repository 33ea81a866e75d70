import { uptime } from 'node:os';

const MS_PER_SECOND = 1_000;

/** Ms that never go back. */
export type RunningClocks = readonly (() => number)[];

/**
 * The second clock is a file of the kernel's that is opened, written and closed at each reading, so that one serves whoever asks within
 * this time. Should the machine fall asleep in just that time, it might as well have done so right after a reading.
 */
const READING_MS = 1;
let readAtMs = Number.NEGATIVE_INFINITY;
let upMs = 0;

function machineUpMs(): number {
  if (performance.now() - readAtMs >= READING_MS) {
    upMs = uptime() * MS_PER_SECOND;
    readAtMs = performance.now();
  }
  return upMs;
}

/** The second goes on while the machine sleeps, and the first does not. */
export const RUNNING_CLOCKS: RunningClocks = [() => performance.now(), machineUpMs];

export function readClocks(clocks: RunningClocks): number[] {
  const readings: number[] = [];
  for (const clock of clocks) readings.push(clock());
  return readings;
}

/** By the clock that saw most of it pass. */
export function passedMs(beforeMs: readonly number[], afterMs: readonly number[]): number {
  let mostMs = 0;
  for (let index = 0; index < afterMs.length; index++)
    mostMs = Math.max(mostMs, (afterMs[index] as number) - (beforeMs[index] as number));
  return mostMs;
}
