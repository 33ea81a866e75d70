import {
  type Effort,
  isPeer,
  type LatencyFigures,
  type LoadResult,
  type MemoryFigures,
  type PerTarget,
  type SaturationFigures,
  type Target,
} from './bench.types.js';
import { cpuMicros, rssBytes } from './cpus.js';
import { runLoad } from './load.js';
import { percentileOf } from './percentile-of.js';
import type { QuietRounds, Watch } from './quiet-rounds.js';
import type { Rig } from './rig.js';

/** Of everything but the search for saturation. */
export const CONNECTIONS = 32;
/**
 * A target that waits for others in each call, as one with Redis and a disk behind it does, is not full with as many connections as
 * one that only passes bytes on. So each is measured with each of these, and its saturation is where it serves most.
 */
export const SATURATION_CONNECTIONS = [32, 64, 128];
const MEGABYTE = 1024 * 1024;
/** In a row, without a call served: a machine that others use as well may stand still for one. */
const IDLE_SECONDS_MAX = 5;

/** What every scenario works with. */
export interface Bench {
  rig: Rig;
  targets: Target[];
  effort: Effort;
  folder: string;
  quiet: QuietRounds;
  say: (line: string) => void;
}

/** A short question whose answer is about 600 bytes. */
export function shortBody(): string {
  return JSON.stringify({
    model: 'gpt-4o-mini',
    max_tokens: 16,
    messages: [{ role: 'user', content: 'Say in one sentence what a gateway is.' }],
    x_sim: { completionTokens: 12, promptTokens: 12 },
  });
}

/** A prompt of 100 kB, answered as shortly. */
export function longBody(): string {
  const content = 'The gateway reads all of this and must not be slowed down by it. '.repeat(1_540);
  return JSON.stringify({
    model: 'gpt-4o-mini',
    max_tokens: 16,
    messages: [{ role: 'user', content }],
    x_sim: { completionTokens: 12 },
  });
}

export interface Round {
  load: LoadResult;
  cpuMicrosPerCall: Record<string, number>;
}

/** All targets in turn, again and again: what else the machine does then falls on all alike. */
export async function measureSaturation(
  bench: Bench,
  body: string,
  connectionCounts: readonly number[],
): Promise<PerTarget<SaturationFigures>> {
  const trials = bench.targets.map((target) => ({ target, trials: connectionCounts.map(trialOf) }));
  for (const target of bench.targets) await warmUp(bench, target, body);
  for (let round = 0; round < bench.effort.rounds; round++) {
    for (const [index, connections] of connectionCounts.entries()) {
      for (const { target, trials: own } of trials) {
        const result = await saturate(bench, target, { body, seconds: bench.effort.roundSeconds, connections });
        own[index]?.rounds.push(result);
        const { callsPerSecond, failures } = result.load;
        const what = `round ${round + 1}, ${connections} connections, ${target.name}`;
        bench.say(`  ${what}: ${Math.round(callsPerSecond)} calls/s, ${failures} failures`);
      }
    }
  }
  return Object.fromEntries(trials.map(({ target, trials: own }) => [target.name, saturationOf(own)]));
}

/** Rounds of one target with one number of connections. */
export interface Trial {
  connections: number;
  rounds: Round[];
}

function trialOf(connections: number): Trial {
  return { connections, rounds: [] };
}

/** In pieces of a round's length: what waits to be booked is bounded, and a longer burst would be refused. */
export async function warmUp({ rig, effort, folder }: Bench, target: Target, body: string): Promise<void> {
  rig.yieldMetering();
  for (let left = effort.warmUpSeconds; left > 0; left -= effort.roundSeconds) {
    const seconds = Math.min(left, effort.roundSeconds);
    await runLoad({ target, body, seconds, connections: CONNECTIONS, pauseMs: 0, folder });
    if (target.name === 'tensorloop') await rig.booked();
  }
}

interface Saturation {
  body: string;
  seconds: number;
  connections: number;
}

export function saturate(bench: Bench, target: Target, saturation: Saturation): Promise<Round> {
  return bench.quiet.measure({
    once: (watch) => saturateOnce(bench, target, { ...saturation, watch }),
    merge: (kept, others) => ({
      ...kept,
      load: withFailures(
        kept.load,
        others.map(({ load }) => load),
      ),
    }),
  });
}

/** Those of rounds that were measured again count as well. */
export function withFailures<Load extends { failures: number }>(kept: Load, others: readonly Load[]): Load {
  return { ...kept, failures: others.reduce((sum, { failures }) => sum + failures, kept.failures) };
}

async function saturateOnce(
  bench: Bench,
  target: Target,
  { body, seconds, connections, watch }: Saturation & { watch: Watch },
): Promise<Round> {
  bench.rig.yieldMetering();
  const pids = processesOf(bench, target);
  const before = pids.map(([, pid]) => cpuMicros(pid));
  const load = await watch(() => runLoad({ target, body, seconds, connections, pauseMs: 0, folder: bench.folder }));
  // The gateway's share of acknowledging what it has just taken is part of what a call costs.
  if (target.name === 'tensorloop') await bench.rig.booked();
  const cpuMicrosPerCall = Object.fromEntries(
    pids.map(([name, pid], index) => [name, (cpuMicros(pid) - (before[index] as number)) / Math.max(1, load.calls)]),
  );
  return { load, cpuMicrosPerCall };
}

function processesOf(bench: Bench, target: Target): [string, number][] {
  if (target.name === 'tensorloop') return [...bench.rig.processes];
  return target.pid === null ? [] : [[target.name, target.pid]];
}

/** Where the median of the rounds is highest. */
export function saturationOf(trials: readonly Trial[]): SaturationFigures {
  const all = trials.map(summarise);
  const [first, ...others] = all;
  if (first === undefined) throw new Error('saturation wants at least one number of connections');
  const best = others.reduce((most, one) => (one.callsPerSecond > most.callsPerSecond ? one : most), first);
  return {
    ...best,
    tried: all.map(({ connections, callsPerSecond, p99Ms, failures }) => ({ connections, callsPerSecond, p99Ms, failures })),
  };
}

function summarise({ connections, rounds }: Trial): Omit<SaturationFigures, 'tried'> {
  const median = (read: (round: Round) => number) => percentileOf(rounds.map(read), 0.5);
  const names = Object.keys(rounds[0]?.cpuMicrosPerCall ?? {});
  return {
    connections,
    callsPerSecond: median(({ load }) => load.callsPerSecond),
    p50Ms: median(({ load }) => load.p50Ms),
    p99Ms: median(({ load }) => load.p99Ms),
    failures: rounds.reduce((sum, { load }) => sum + load.failures, 0),
    cpuMicrosPerCall: Object.fromEntries(
      names.map((name) => [name, median((round) => round.cpuMicrosPerCall[name] as number)]),
    ),
    rounds: rounds.map(({ load }) => load.callsPerSecond),
  };
}

/** Everybody gets half of what we serve at saturation; peers that cannot serve that get half of their own. */
export async function measureLatency(
  bench: Bench,
  saturation: PerTarget<SaturationFigures>,
): Promise<PerTarget<LatencyFigures>> {
  const ours = (saturation.tensorloop?.callsPerSecond ?? 0) / 2;
  const rounds: { target: Target; load: LoadResult; direct: LoadResult }[] = [];
  for (let round = 0; round < bench.effort.rounds; round++) {
    let direct: LoadResult | null = null;
    for (const target of bench.targets) {
      const own = (saturation[target.name]?.callsPerSecond ?? 0) / 2;
      const perSecond = isPeer(target.name) ? Math.max(1, Math.min(ours, own)) : ours;
      const load = await paced(bench, target, perSecond);
      direct ??= load;
      rounds.push({ target, load, direct });
    }
  }
  return Object.fromEntries(
    bench.targets.map((target) => [target.name, latencyOf(rounds.filter((round) => round.target === target))]),
  );
}

function paced({ effort, folder, rig, quiet }: Bench, target: Target, perSecond: number): Promise<LoadResult> {
  const pace = { connections: CONNECTIONS, pauseMs: (CONNECTIONS / perSecond) * 1_000, seconds: effort.roundSeconds };
  const once = async (watch: Watch) => {
    const load = await watch(() => runLoad({ target, body: shortBody(), folder, ...pace }));
    if (target.name === 'tensorloop') await rig.booked();
    return load;
  };
  return quiet.measure({ once, merge: withFailures });
}

function latencyOf(rounds: { load: LoadResult; direct: LoadResult }[]): LatencyFigures {
  const median = (read: (round: { load: LoadResult; direct: LoadResult }) => number) => percentileOf(rounds.map(read), 0.5);
  return {
    offeredPerSecond: median(({ load }) => load.callsPerSecond),
    p50Ms: median(({ load }) => load.p50Ms),
    p99Ms: median(({ load }) => load.p99Ms),
    addedP50Ms: median(({ load, direct }) => load.p50Ms - direct.p50Ms),
    addedP99Ms: median(({ load, direct }) => load.p99Ms - direct.p99Ms),
    failures: rounds.reduce((sum, { load }) => sum + load.failures, 0),
  };
}

/** In batches that metering has booked before the next: what is left in memory is then left for good, not waiting. */
export async function measureMemory(bench: Bench, target: Target): Promise<MemoryFigures> {
  const pid = target.pid as number;
  const samples = [{ calls: 0, bytes: rssBytes(pid) }];
  let idleInRow = 0;
  for (let calls = 0; calls < bench.effort.memoryCalls; ) {
    const load = await runLoad({
      target,
      body: shortBody(),
      seconds: 1,
      connections: CONNECTIONS,
      pauseMs: 0,
      folder: bench.folder,
    });
    idleInRow = load.calls === 0 ? idleInRow + 1 : 0;
    if (idleInRow > IDLE_SECONDS_MAX)
      throw new Error(`no call was served after ${calls}, ${load.failures} failed: see the gateway's log`);
    calls += load.calls;
    samples.push({ calls, bytes: rssBytes(pid) });
    await bench.rig.booked();
    bench.say(`  ${calls} calls: ${Math.round(rssBytes(pid) / MEGABYTE)} MB`);
  }
  const [start, end] = [samples[0], samples.at(-1)] as [MemorySample, MemorySample];
  return {
    calls: end.calls,
    rssStartMb: start.bytes / MEGABYTE,
    rssEndMb: end.bytes / MEGABYTE,
    rssMaxMb: Math.max(...samples.map(({ bytes }) => bytes)) / MEGABYTE,
    slopeBytesPerCall: slopeOf(samples.slice(Math.floor(samples.length / 2))),
  };
}

interface MemorySample {
  calls: number;
  bytes: number;
}

/** Least squares. */
export function slopeOf(samples: readonly MemorySample[]): number {
  const mean = (read: (sample: MemorySample) => number) =>
    samples.reduce((sum, sample) => sum + read(sample), 0) / samples.length;
  const [meanCalls, meanBytes] = [mean(({ calls }) => calls), mean(({ bytes }) => bytes)];
  const covariance = samples.reduce((sum, { calls, bytes }) => sum + (calls - meanCalls) * (bytes - meanBytes), 0);
  const variance = samples.reduce((sum, { calls }) => sum + (calls - meanCalls) ** 2, 0);
  return variance === 0 ? 0 : covariance / variance;
}
