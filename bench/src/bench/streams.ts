import { type PerTarget, type StreamFigures, type Target, WARM_UP_STREAMS } from './bench.types.js';
import { cpuMicros } from './cpus.js';
import type { Bench } from './measure.js';
import type { Watch } from './quiet-rounds.js';
import { type StreamRound, streamFigures } from './stream-figures.js';
import { runStreams, type StreamLoadResult } from './stream-load.js';

/** Streams each connection runs one after the other. */
const STREAMS_PER_CONNECTION = 2;

/** All targets in turn, again and again, as for short calls; each is first warmed up by a few streams. */
export async function measureStreams(bench: Bench, concurrency: number): Promise<PerTarget<StreamFigures>> {
  const targets = bench.targets.filter(({ keepsUnknownFields }) => keepsUnknownFields);
  const rounds = new Map<Target, StreamRound[]>(targets.map((target) => [target, []]));
  for (const target of targets) await runStreams(target, { concurrency: WARM_UP_STREAMS, perConnection: 1 });
  await bench.rig.booked();
  for (let round = 0; round < bench.effort.streamRounds; round++) {
    let direct: StreamLoadResult | null = null;
    for (const target of targets) {
      const { load, micros } = await bench.quiet.measure({
        once: (watch) => streamOnce(bench, target, { concurrency, watch }),
        merge: withBroken,
      });
      direct ??= load;
      rounds.get(target)?.push({ load, direct, micros });
      bench.say(
        `  ${concurrency} streams, round ${round + 1}, ${target.name}: ${load.framesArrived} frames, ${load.broken} broken`,
      );
    }
  }
  return Object.fromEntries([...rounds].map(([target, results]) => [target.name, streamFigures(results)]));
}

type Streamed = Omit<StreamRound, 'direct'>;

async function streamOnce(
  bench: Bench,
  target: Target,
  { concurrency, watch }: { concurrency: number; watch: Watch },
): Promise<Streamed> {
  const { pid } = target;
  const before = pid === null ? 0 : cpuMicros(pid);
  const load = await watch(() => runStreams(target, { concurrency, perConnection: STREAMS_PER_CONNECTION }));
  // The gateway's share of acknowledging what it has just taken is part of what a stream costs.
  if (target.name === 'tensorloop') await bench.rig.booked();
  return { load, micros: pid === null ? null : cpuMicros(pid) - before };
}

/** What may not happen at all counts wherever it happened. */
function withBroken(kept: Streamed, others: readonly Streamed[]): Streamed {
  const sum = (read: (load: StreamLoadResult) => number) =>
    others.reduce((total, { load }) => total + read(load), read(kept.load));
  return { ...kept, load: { ...kept.load, broken: sum(({ broken }) => broken), stalls: sum(({ stalls }) => stalls) } };
}
