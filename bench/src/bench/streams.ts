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
      const streamed = await bench.quiet.measure({
        once: (watch) => streamOnce(bench, target, { concurrency, watch }),
        merge: withBroken,
      });
      const { load, brokenRepeated } = streamed;
      direct ??= load;
      rounds.get(target)?.push({ ...streamed, direct });
      bench.say(
        `  ${concurrency} streams, round ${round + 1}, ${target.name}: ${load.framesArrived} frames, ${load.broken + brokenRepeated} broken`,
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
  return { load, brokenRepeated: 0, micros: pid === null ? null : cpuMicros(pid) - before };
}

/** What may not happen at all counts wherever it happened; what came late does not, where the host had the cores. */
function withBroken(kept: Streamed, others: readonly Streamed[]): Streamed {
  return { ...kept, brokenRepeated: others.reduce((sum, { load }) => sum + load.broken, 0) };
}
