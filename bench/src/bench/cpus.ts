import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, setPriority } from 'node:os';

/** Ticks of /proc/PID/stat; 100 a second on every Linux that we know of. */
const MICROS_PER_TICK = 10_000;
/** Fields of /proc/PID/stat behind the name, which may contain blanks: utime, stime, and those of ended children. */
const TIME_FIELDS = [11, 12, 13, 14];
const PARENT_FIELD = 1;
const NICENESS_MAX = 19;

/** Core of the process under test. */
export const TESTED_CPU = '0';

/** Counted before anything is pinned: afterwards Node counts only the cores that are left to this process. */
const CPUS = availableParallelism();

/** Cores of the load, the provider and all servers. */
export function otherCpus(): string {
  return CPUS < 2 ? '0' : `1-${CPUS - 1}`;
}

/** Puts a process with all its threads, and what it will start, on these cores. */
export function pin(pid: number, cpus: string): void {
  for (const each of withDescendants(pid)) spawnSync('taskset', ['-a', '-c', '-p', cpus, String(each)]);
}

/**
 * Lets a process work only in what others leave. Linux may weigh whole sessions (autogroups) instead of processes, and each of
 * PostgreSQL's backends is a session of its own: hence both, and again for each that has come since.
 */
export function yieldToOthers(pid: number): void {
  for (const each of withDescendants(pid)) {
    try {
      setPriority(each, NICENESS_MAX);
      writeFileSync(`/proc/${each}/autogroup`, String(NICENESS_MAX));
    } catch {
      // Gone meanwhile, not ours to change, or a kernel without autogroups.
    }
  }
}

/** CPU time of a process, its children and those they had, in microseconds. */
export function cpuMicros(pid: number): number {
  let ticks = 0;
  for (const each of withDescendants(pid)) {
    const fields = statOf(each);
    if (fields === null) continue;
    const own = each === pid ? TIME_FIELDS : TIME_FIELDS.slice(0, 2);
    for (const index of own) ticks += Number(fields[index]);
  }
  return ticks * MICROS_PER_TICK;
}

export function rssBytes(pid: number): number {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB$/m);
  return Number(line?.[1] ?? 0) * 1_024;
}

function statOf(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

function withDescendants(root: number): number[] {
  const childrenOf = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(statOf(Number(name))?.[PARENT_FIELD] ?? 0);
    childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), Number(name)]);
  }
  const found = [root];
  for (let at = 0; at < found.length; at++) found.push(...(childrenOf.get(found[at] as number) ?? []));
  return found;
}
