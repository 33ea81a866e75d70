import { describe, expect, it } from '@jest/globals';
import type { BenchReport, LatencyFigures, SaturationFigures, StreamFigures } from './bench.types.js';
import { BenchUnavailable, readBenchOptions } from './bench-options.js';
import { type Round, saturationOf, slopeOf } from './measure.js';
import { percentileOf } from './percentile-of.js';
import { formatBench } from './report.js';
import { scaleOutFigures } from './scale-out.js';

const REPORT: BenchReport = {
  startedAt: '2026-11-21T04:00:00.000Z',
  command: 'npm run bench -- --quick',
  machine: { cpu: 'a processor', cores: 2, memoryGb: 24, kernel: '6.1', node: 'v24.21.0', loadAverageBefore: 3.2 },
  isQuick: true,
  effort: readBenchOptions(['--quick']).effort,
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
  stolen: null,
  audit: { requests: 1_234, differences: 0 },
};

const LATENCY: LatencyFigures = {
  offeredPerSecond: 2_000,
  p50Ms: 1,
  p99Ms: 2,
  addedP50Ms: 0.5,
  addedP99Ms: 1.5,
  failures: 17,
};
const STREAMS: StreamFigures = {
  streams: 400,
  framesExpected: 26_800,
  framesArrived: 26_799,
  firstTokenP50Ms: 1,
  firstTokenP99Ms: 5,
  addedP50Ms: 0.5,
  addedP99Ms: 4,
  stalls: 3,
  jitterP99Ms: 1.25,
  broken: 1,
  cpuMicrosPerFrame: 43,
  cpuMicrosPerStream: 2_881,
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

  it('says what the host took meanwhile, and what was measured again', () => {
    const none = { repeated: 0, medianShareRepeated: 0, spentSeconds: 0 };
    const stolen = { rounds: 40, medianShare: 0.012, shareMax: 0.0871, ...none };
    const text = formatBench({ ...REPORT, stolen });
    expect(text).toContain('1.2 % of the CPU time that was wanted in the median of 40 measured rounds, and 8.7 % at most');
    expect(text).toContain('none had to be measured again');
    expect(text).not.toContain('The host was busy');
    expect(formatBench({ ...REPORT, stolen: { ...stolen, medianShare: 0.06 } })).toContain('**The host was busy throughout');
    const again = { repeated: 3, medianShareRepeated: 0.34, spentSeconds: 61 };
    expect(formatBench({ ...REPORT, stolen: { ...stolen, ...again } })).toContain(
      '3 more (34.0 % in their median) were measured again because of it, which took 61 s; what failed in them is counted',
    );
    expect(formatBench(REPORT)).not.toContain('The host of');
  });

  it('says how often each figure was measured and after which warm-up, as it was in this run', () => {
    const quick = formatBench(REPORT);
    expect(quick).toContain('3 rounds of 2 s, begun at saturation after a warm-up of 5 s of each');
    expect(quick).toContain('streams: 1 round after a warm-up of 20 streams of each');
    const full = formatBench({ ...REPORT, effort: readBenchOptions([]).effort });
    expect(full).toContain('5 rounds of 5 s, begun at saturation after a warm-up of 12 s of each');
    expect(full).toContain('streams: 3 rounds after a warm-up of 20 streams of each; two gateways: 3 rounds');
  });

  it('takes the number of connections with which most calls are served', () => {
    const roundOf = (callsPerSecond: number, failures: number): Round => ({
      load: { calls: 10, callsPerSecond, p50Ms: 1, p99Ms: 2, failures },
      cpuMicrosPerCall: { gateway: 100 },
    });
    const few = { connections: 32, rounds: [roundOf(900, 0), roundOf(100, 1), roundOf(120, 0)] };
    const more = { connections: 64, rounds: [roundOf(200, 0), roundOf(210, 0), roundOf(190, 2)] };
    const many = { connections: 128, rounds: [roundOf(180, 0)] };
    expect(saturationOf([few, more, many])).toEqual({
      connections: 64,
      callsPerSecond: 200,
      p50Ms: 1,
      p99Ms: 2,
      failures: 2,
      cpuMicrosPerCall: { gateway: 100 },
      rounds: [200, 210, 190],
      tried: [
        { connections: 32, callsPerSecond: 120, p99Ms: 2, failures: 1 },
        { connections: 64, callsPerSecond: 200, p99Ms: 2, failures: 2 },
        { connections: 128, callsPerSecond: 180, p99Ms: 2, failures: 0 },
      ],
    });
  });

  it('shows every number of connections that was tried, with its ratios', () => {
    const figures = (perSecond: number[]): SaturationFigures => ({
      ...{ connections: 64, callsPerSecond: 0, p50Ms: 1, p99Ms: 2, failures: 0, cpuMicrosPerCall: {}, rounds: [] },
      tried: [32, 64].map((connections, index) => ({
        connections,
        callsPerSecond: perSecond[index] as number,
        p99Ms: 2,
        failures: index,
      })),
    });
    const json = { passThrough: figures([1_000, 1_100]), tensorloop: figures([300, 550]), portkey: figures([100, 100]) };
    const text = formatBench({ ...REPORT, json });
    expect(text).toContain('| calls/s with | 32 connections | 64 connections |');
    expect(text).toContain('| **TensorLoop**, everything on | 300 (p99 2.00 ms) | 550 (p99 2.00 ms, 1 failures) |');
    expect(text).toContain('| TensorLoop, of the pass-through | 0.30 | 0.50 |');
    expect(text).toContain('| TensorLoop, times Portkey | 3.00 | 5.50 |');
  });

  it('shows what failed at half load beside its latency', () => {
    const text = formatBench({ ...REPORT, latency: { tensorloop: LATENCY } });
    expect(text).toContain('| added p50 | added p99 | failures |');
    expect(text).toContain('| 2,000 | 1.00 | 2.00 | 0.50 | 1.50 | 17 |');
  });

  it('shows CPU per stream, and an empty cell where nobody is under test', () => {
    const direct = { ...STREAMS, cpuMicrosPerFrame: null, cpuMicrosPerStream: null };
    const text = formatBench({ ...REPORT, streams: [{ concurrency: 200, targets: { direct, tensorloop: STREAMS } }] });
    expect(text).toContain('| jitter p99 ms | CPU µs per frame | CPU µs per stream |');
    expect(text).toContain('| 26,799 of 26,800 | 3 | 1 | 1.00 | 0.50 | 4.00 | 1.25 | 43 | 2,881 |');
    expect(text).toContain('| 4.00 | 1.25 |  |  |');
  });

  it('takes medians of the rounds of one and two gateways, and every failure', () => {
    const round = { oneGatewayPerSecond: 100, cpuMicrosPerCallOne: 9, cpuMicrosPerCallTwo: 10, failures: 1 };
    const rounds = [
      { ...round, twoGatewaysPerSecond: 150, ratio: 1.5 },
      { ...round, twoGatewaysPerSecond: 10, ratio: 0.1 },
      { ...round, twoGatewaysPerSecond: 170, ratio: 1.7 },
    ];
    expect(scaleOutFigures(rounds)).toEqual({ ...round, twoGatewaysPerSecond: 150, ratio: 1.5, failures: 3 });
  });
});
