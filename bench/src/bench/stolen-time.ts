import { readFileSync } from 'node:fs';

/** Of the line `cpu` of /proc/stat, behind its name: user, nice, system, idle, iowait, irq, softirq, steal (proc_stat(5)). */
const COLUMNS = 8;
const IDLE_COLUMNS = new Set([3, 4]);
const STEAL_COLUMN = 7;

/** Over all cores, since the machine started. */
export interface CpuTicks {
  /** Somebody here ran, or wanted to. */
  wanted: number;
  /** Of those: the host of this virtual machine ran others. */
  stolen: number;
}

/** Null = this system does not say. */
export function readCpuTicks(file = '/proc/stat'): CpuTicks | null {
  try {
    const [line = ''] = readFileSync(file, 'utf8').split('\n', 1);
    const ticks = line
      .split(/\s+/)
      .slice(1, 1 + COLUMNS)
      .map(Number);
    if (ticks.length < COLUMNS) return null;
    const wanted = ticks.reduce((sum, count, column) => (IDLE_COLUMNS.has(column) ? sum : sum + count), 0);
    return { wanted, stolen: ticks[STEAL_COLUMN] as number };
  } catch {
    return null;
  }
}

/** Of the time that was wanted, 0 to 1. Null where the system does not say. */
export function stolenShare(before: CpuTicks | null, after: CpuTicks | null): number | null {
  if (before === null || after === null) return null;
  return (after.stolen - before.stolen) / Math.max(1, after.wanted - before.wanted);
}
