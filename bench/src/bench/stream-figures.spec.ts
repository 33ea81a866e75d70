import { describe, expect, it } from '@jest/globals';
import { type StreamRound, streamFigures } from './stream-figures.js';
import type { StreamLoadResult } from './stream-load.js';

const LOAD: StreamLoadResult = { streams: 2, broken: 0, framesArrived: 134, firstTokenMs: [1], gapsMs: [20], stalls: 0 };
const round = (load: Partial<StreamLoadResult>, micros: number | null = null): StreamRound => ({
  load: { ...LOAD, ...load },
  direct: LOAD,
  micros,
  brokenRepeated: 0,
});

describe('the figures of streams', () => {
  it('are medians of the rounds, and sums of what may not happen at all', () => {
    const figures = streamFigures([
      round({ firstTokenMs: [3], gapsMs: [20, 26], stalls: 1 }),
      round({ firstTokenMs: [90], gapsMs: [110], framesArrived: 133, broken: 1 }),
      round({ firstTokenMs: [4], gapsMs: [18, 20] }),
    ]);
    expect(figures).toMatchObject({ firstTokenP99Ms: 4, addedP50Ms: 3, addedP99Ms: 3, jitterP99Ms: 6 });
    expect(figures).toMatchObject({ streams: 6, framesExpected: 402, framesArrived: 401, stalls: 1, broken: 1 });
  });

  it('count what broke in rounds that were measured again, at no cost to the rest', () => {
    const disturbed = { ...round({}, 4_000), brokenRepeated: 5 };
    expect(streamFigures([disturbed])).toMatchObject({ streams: 2, broken: 5, cpuMicrosPerStream: 2_000 });
  });

  it('have no jitter where every chunk keeps the pace', () => {
    expect(streamFigures([round({ gapsMs: Array(63).fill(20) })]).jitterP99Ms).toBe(0);
  });

  it('state CPU per stream over those alone that came whole', () => {
    expect(streamFigures([round({ broken: 1 }, 2_680)]).cpuMicrosPerStream).toBe(2_680);
  });

  it('state CPU per frame and per stream, and none where no process is under test', () => {
    const rounds = [round({}, 1_340), round({}, 2_680), round({}, 134_000)];
    expect(streamFigures(rounds)).toMatchObject({ cpuMicrosPerFrame: 20, cpuMicrosPerStream: 1_340 });
    expect(streamFigures([round({})])).toMatchObject({ cpuMicrosPerFrame: null, cpuMicrosPerStream: null });
  });
});
