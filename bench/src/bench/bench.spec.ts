import { describe, expect, it } from '@jest/globals';
import type { BenchReport } from './bench.types.js';
import { BenchUnavailable, readBenchOptions } from './bench-options.js';
import { slopeOf } from './measure.js';
import { percentileOf } from './percentile-of.js';
import { formatBench } from './report.js';

const REPORT: BenchReport = {
  startedAt: '2026-11-21T04:00:00.000Z',
  command: 'npm run bench -- --quick',
  machine: { cpu: 'a processor', cores: 2, memoryGb: 24, kernel: '6.1', node: 'v24.21.0', loadAverageBefore: 3.2 },
  isQuick: true,
  durationSeconds: 180,
  loadGenerator: 'wrk',
  versions: { litellm: '1.100.5' },
  reach: [{ goal: 'throughput', reach: '≥ 0.40', measured: '0.39', isMet: false }],
  notRun: [{ name: 'Portkey', reason: 'npm is not on PATH' }],
  json: {},
  ratioToPassThrough: null,
  ratioToPortkey: null,
  latency: {},
  streams: [],
  longPrompts: {},
  memory: null,
  scaleOut: null,
  audit: { requests: 1_234, differences: 0 },
};

describe('the bench', () => {
  it('writes its report only when every scenario ran', () => {
    expect(readBenchOptions(['--quick']).writesReport).toBe(true);
    expect(readBenchOptions(['--only', 'json,memory']).writesReport).toBe(false);
    expect([...readBenchOptions(['--only', 'json,memory']).scenarios]).toEqual(['json', 'memory']);
  });

  it.each([[['--qick']], [['--only', 'jsn']]])('refuses %j with a sentence', (args) => {
    expect(() => readBenchOptions(args)).toThrow(BenchUnavailable);
  });

  it('takes percentiles that were really measured', () => {
    expect(percentileOf([5, 1, 3], 0.5)).toBe(3);
    expect(percentileOf([5, 1, 3], 0.99)).toBe(5);
    expect(percentileOf([], 0.5)).toBe(0);
  });

  it('finds the slope of memory over calls', () => {
    const leaking = [0, 1_000, 2_000, 3_000].map((calls) => ({ calls, bytes: 100_000 + 7 * calls }));
    expect(slopeOf(leaking)).toBeCloseTo(7);
    expect(slopeOf(leaking.map(({ calls }) => ({ calls, bytes: 5 })))).toBe(0);
  });

  it('says that the machine was shared, who was not run and why, and what the audit found', () => {
    const text = formatBench(REPORT);
    expect(text).toContain('shared with other work');
    expect(text).toContain('- Portkey: npm is not on PATH.');
    expect(text).toContain('1,234 calls of the run: 0 differences');
    expect(formatBench({ ...REPORT, machine: { ...REPORT.machine, loadAverageBefore: 0.1 } })).not.toContain('shared with');
  });
});
