import { readFileSync } from 'node:fs';

/** Of the line `cpu` of /proc/stat, behind its name: user, nice, system, idle, iowait, irq, softirq, steal (proc_stat(5)). */
const COLUMNS = 8;
const STEAL_COLUMN = 7;

/** Over all cores, since the machine started. */
export interface CpuTicks {
  all: number;
  /** Something wanted to run, and the host of this virtual machine ran others. */
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
    return { all: ticks.reduce((sum, count) => sum + count, 0), stolen: ticks[STEAL_COLUMN] as number };
  } catch {
    return null;
  }
}

/** 0 to 1. Null where the system does not say. */
export function stolenShare(before: CpuTicks | null, after: CpuTicks | null): number | null {
  if (before === null || after === null) return null;
  return (after.stolen - before.stolen) / Math.max(1, after.all - before.all);
}
