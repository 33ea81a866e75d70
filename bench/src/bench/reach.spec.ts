import { describe, expect, it } from '@jest/globals';
import { reachOf } from './reach.js';

const NOTHING = {
  json: {},
  ratioToPassThrough: null,
  ratioToPortkey: null,
  latency: {},
  streams: [],
  memory: null,
  audit: { requests: 1, differences: 0 },
};
const LATENCY = { offeredPerSecond: 1, p50Ms: 1, p99Ms: 1, addedP50Ms: 0.5, addedP99Ms: 4, failures: 0 };

describe('the check of the goals', () => {
  it('leaves out what was not measured', () => {
    expect(reachOf(NOTHING).map(({ goal }) => goal)).toEqual(['differences in the books afterwards']);
  });

  it.each([
    [0.4, true],
    [0.39, false],
  ])('a ratio of %d to the pass-through is met: %s', (ratioToPassThrough, isMet) => {
    expect(reachOf({ ...NOTHING, ratioToPassThrough })[0]).toMatchObject({ reach: '≥ 0.40', isMet });
  });

  it('allows 3 ms at p99, or 2.5 times what the pass-through adds when that is more', () => {
    const p99Of = (addedP99Ms: number) =>
      reachOf({ ...NOTHING, latency: { tensorloop: LATENCY, passThrough: { ...LATENCY, addedP99Ms } } })[1];
    expect(p99Of(0.4)).toMatchObject({ reach: '≤ 3.0 ms', isMet: false });
    expect(p99Of(2)).toMatchObject({ reach: '≤ 5.0 ms', isMet: true });
  });

  it.each([
    [0, true],
    [1, false],
  ])('%d failures at saturation are met: %s', (failures, isMet) => {
    const measured = { callsPerSecond: 1, p50Ms: 1, p99Ms: 1, failures, cpuMicrosPerCall: {}, rounds: [1] };
    const tensorloop = { connections: 32, ...measured, tried: [] };
    const [goal] = reachOf({ ...NOTHING, json: { tensorloop } });
    expect(goal).toEqual({ goal: 'failures at saturation', reach: '0', measured: String(failures), isMet });
  });

  it('memory that grows is not met, however small it is', () => {
    const memory = { calls: 200_000, rssStartMb: 90, rssEndMb: 110, rssMaxMb: 110, slopeBytesPerCall: 100 };
    expect(reachOf({ ...NOTHING, memory }).map(({ isMet }) => isMet)).toEqual([true, false, true]);
  });
});
