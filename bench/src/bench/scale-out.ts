import type { LoadResult, ScaleOutFigures, Target } from './bench.types.js';
import { cpuMicros, otherCpus, pin, TESTED_CPU } from './cpus.js';
import { runLoad } from './load.js';
import { type Bench, CONNECTIONS, saturate, shortBody, warmUp, withFailures } from './measure.js';
import { percentileOf } from './percentile-of.js';
import type { Watch } from './quiet-rounds.js';

/**
 * One gateway and two on one Redis, in alternating rounds; the second is idle while the first is alone. On a machine of two
 * cores the second shares its core with the load and the servers, so there the CPU time per call says more than the
 * throughput: it stays the same when gateways do not get into each other's way.
 */
export async function measureScaleOut(bench: Bench, first: Target): Promise<ScaleOutFigures> {
  const server = await bench.rig.startGateway();
  const [firstOther = TESTED_CPU] = otherCpus().split('-');
  pin(server.pid, firstOther);
  const second: Target = { ...first, url: server.url, pid: server.pid };
  for (const target of [first, second]) await warmUp(bench, target, shortBody());
  const rounds: ScaleOutFigures[] = [];
  for (let round = 0; round < bench.effort.scaleOutRounds; round++) rounds.push(await oneRound(bench, first, second));
  return scaleOutFigures(rounds);
}

/** Medians of the rounds. */
export function scaleOutFigures(rounds: readonly ScaleOutFigures[]): ScaleOutFigures {
  const median = (read: (round: ScaleOutFigures) => number) => percentileOf(rounds.map(read), 0.5);
  return {
    oneGatewayPerSecond: median((round) => round.oneGatewayPerSecond),
    twoGatewaysPerSecond: median((round) => round.twoGatewaysPerSecond),
    ratio: median((round) => round.ratio),
    cpuMicrosPerCallOne: median((round) => round.cpuMicrosPerCallOne),
    cpuMicrosPerCallTwo: median((round) => round.cpuMicrosPerCallTwo),
    failures: rounds.reduce((sum, { failures }) => sum + failures, 0),
  };
}

async function oneRound(bench: Bench, first: Target, second: Target): Promise<ScaleOutFigures> {
  const one = await saturate(bench, first, {
    body: shortBody(),
    seconds: bench.effort.roundSeconds,
    connections: CONNECTIONS,
  });
  const both = await bench.quiet.measure({ once: (watch) => loadBoth(bench, [first, second], watch), merge: withFailures });
  return {
    oneGatewayPerSecond: one.load.callsPerSecond,
    twoGatewaysPerSecond: both.callsPerSecond,
    ratio: both.callsPerSecond / Math.max(1, one.load.callsPerSecond),
    cpuMicrosPerCallOne: one.cpuMicrosPerCall['gateway'] as number,
    cpuMicrosPerCallTwo: both.cpuMicrosPerCall,
    failures: one.load.failures + both.failures,
  };
}

interface BothFigures {
  callsPerSecond: number;
  cpuMicrosPerCall: number;
  failures: number;
}

async function loadBoth(bench: Bench, targets: readonly Target[], watch: Watch): Promise<BothFigures> {
  const pids = targets.map(({ pid }) => pid as number);
  const before = pids.map(cpuMicros);
  const both = await watch(() => Promise.all(targets.map((target) => loadOne(bench, target))));
  await bench.rig.booked();
  const micros = pids.reduce((sum, pid, index) => sum + cpuMicros(pid) - (before[index] as number), 0);
  const sumOf = (read: (load: LoadResult) => number) => both.reduce((sum, load) => sum + read(load), 0);
  const calls = sumOf((load) => load.calls);
  return {
    callsPerSecond: sumOf(({ callsPerSecond }) => callsPerSecond),
    cpuMicrosPerCall: micros / Math.max(1, calls),
    failures: sumOf(({ failures }) => failures),
  };
}

function loadOne(bench: Bench, target: Target): Promise<LoadResult> {
  const { roundSeconds: seconds } = bench.effort;
  return runLoad({ target, body: shortBody(), seconds, connections: CONNECTIONS, pauseMs: 0, folder: bench.folder });
}
