import type { StreamFigures } from './bench.types.js';
import { percentileOf } from './percentile-of.js';
import { CHUNK_MS, STREAM_CHUNKS, type StreamLoadResult } from './stream-load.js';

export interface StreamRound {
  load: StreamLoadResult;
  /** What the direct way took in the same round. */
  direct: StreamLoadResult;
  /** CPU of the process under test; null where there is none. */
  micros: number | null;
  /** In rounds that were measured again. */
  brokenRepeated: number;
}

/** Medians of the rounds; what may not happen at all is summed over them. */
export function streamFigures(rounds: readonly StreamRound[]): StreamFigures {
  const median = (read: (round: StreamRound) => number) => percentileOf(rounds.map(read), 0.5);
  const sum = (read: (round: StreamRound) => number) => rounds.reduce((total, round) => total + read(round), 0);
  const hasProcess = rounds.every(({ micros }) => micros !== null);
  const cpuOver = (units: (load: StreamLoadResult) => number) =>
    hasProcess ? median(({ load, micros }) => (micros ?? 0) / Math.max(1, units(load))) : null;
  return {
    streams: sum(({ load }) => load.streams),
    framesExpected: sum(framesExpected),
    framesArrived: sum(({ load }) => load.framesArrived),
    firstTokenP50Ms: median(({ load }) => firstToken(load, 0.5)),
    firstTokenP99Ms: median(({ load }) => firstToken(load, 0.99)),
    addedP50Ms: median(({ load, direct }) => firstToken(load, 0.5) - firstToken(direct, 0.5)),
    addedP99Ms: median(({ load, direct }) => firstToken(load, 0.99) - firstToken(direct, 0.99)),
    stalls: sum(({ load }) => load.stalls),
    jitterP99Ms: median(({ load }) => jitterP99(load)),
    broken: sum(({ load, brokenRepeated }) => load.broken + brokenRepeated),
    cpuMicrosPerFrame: cpuOver(({ framesArrived }) => framesArrived),
    // As for calls: a stream that is refused or cut costs less, and is none that was served.
    cpuMicrosPerStream: cpuOver(({ streams, broken }) => streams - broken),
  };
}

/** Frames of one stream: the role, the chunks, one that ends the choice, and `[DONE]`. */
function framesExpected({ load, direct }: StreamRound): number {
  return Math.max(STREAM_CHUNKS, Math.round(direct.framesArrived / direct.streams)) * load.streams;
}

function firstToken({ firstTokenMs }: StreamLoadResult, share: number): number {
  return percentileOf(firstTokenMs, share);
}

function jitterP99({ gapsMs }: StreamLoadResult): number {
  return percentileOf(
    gapsMs.map((gap) => Math.abs(gap - CHUNK_MS)),
    0.99,
  );
}
