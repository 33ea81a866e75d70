import { describe, expect, it } from '@jest/globals';
import { seeded } from '../random.js';
import { ALL_FAULTS } from './all-faults.js';
import { drawSchedule } from './schedule.js';

const MINUTES_MS = 60 * 60_000;
const draw = (seed: number) => drawSchedule(ALL_FAULTS, MINUTES_MS, seeded(seed));

describe('the schedule of faults', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('has every kind, several a minute, some of them at once', () => {
    const plans = draw(3);
    expect(new Set(plans.map(({ kind }) => kind)).size).toBe(ALL_FAULTS.length);
    expect(plans.length).toBeGreaterThan(200);
    const overlapping = plans.filter((plan, index) => {
      const before = plans[index - 1];
      return before !== undefined && plan.atMs < before.atMs + before.holdMs;
    });
    expect(overlapping.length).toBeGreaterThan(plans.length / 10);
  });
});
