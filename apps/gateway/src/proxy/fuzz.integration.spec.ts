import { describe, expect, it } from '@jest/globals';
import { ADDRESSES } from '../../test/fuzz.js';
import { runFuzz } from '../../test/fuzz-run.js';

/** The long run sends ten times as many. */
const RUNS = 1_000;

describe('generated bodies and headers', () => {
  it('never bring a gateway down, to an error of its own, or to keep a hold', async () => {
    const { statuses, servedPaths, failures, heldNanoUsd, openHolds, isAlive, isUpstreamAlive, output } = await runFuzz(RUNS);
    expect(failures).toEqual([]);
    expect({ heldNanoUsd, openHolds, isAlive }).toEqual({ heldNanoUsd: 0n, openHolds: 0, isAlive: true });
    expect(isUpstreamAlive).toBe(true);
    expect(output).not.toMatch(/could not be (handled|settled)/);
    // Most cases are almost right: without successes among them the run would prove nothing.
    expect(statuses.get(200)).toBeGreaterThan(RUNS / 20);
    expect([...servedPaths]).toEqual(expect.arrayContaining(ADDRESSES));
    expect(statuses.get(400)).toBeGreaterThan(RUNS / 20);
  });
});
