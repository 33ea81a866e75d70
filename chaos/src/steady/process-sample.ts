import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessSample {
  residentBytes: number;
  descriptors: number;
}

const KIBIBYTE = 1_024;

/** From Linux's /proc; null when the process has ended. */
export function sampleProcess(pid: number): ProcessSample | null {
  try {
    const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return { residentBytes: Number(kibibytes ?? 0) * KIBIBYTE, descriptors: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return null;
  }
}
