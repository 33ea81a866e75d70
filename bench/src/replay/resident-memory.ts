import { readFileSync } from 'node:fs';

const KIBIBYTE = 1_024;

export interface ResidentMemory {
  /** Bytes, at the last sample. */
  last: number;
  /** Bytes, the largest the kernel saw since the process began. */
  peak: number;
}

/** Resident memory of processes by name, from Linux's /proc; a process that has ended is left out. */
export function residentMemory(pids: Record<string, number>): Record<string, ResidentMemory> {
  const found: Record<string, ResidentMemory> = {};
  for (const [name, pid] of Object.entries(pids)) {
    const status = readStatus(pid);
    if (status) found[name] = { last: field(status, 'VmRSS'), peak: field(status, 'VmHWM') };
  }
  return found;
}

function readStatus(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return null;
  }
}

function field(status: string, name: string): number {
  const [, kibibytes] = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status) ?? [];
  return Number(kibibytes ?? 0) * KIBIBYTE;
}
