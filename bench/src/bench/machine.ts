import { cpus, loadavg, release, totalmem } from 'node:os';
import type { BenchReport } from './bench.types.js';

const GIGABYTE = 1024 ** 3;

/** What figures are of, and how much else it had to do. */
export function describeMachine(): BenchReport['machine'] {
  const [first] = cpus();
  return {
    cpu: first?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / GIGABYTE),
    kernel: release(),
    node: process.version,
    loadAverageBefore: Math.round((loadavg()[0] as number) * 100) / 100,
  };
}
