import { describe, expect, it } from '@jest/globals';
import { Slots } from './slots.js';

describe('slots for long work', () => {
  it('are a share for each holder, and no more than so many for all', () => {
    const slots = new Slots({ totalMax: 3, perHolderMax: 2 });
    expect([slots.take('a'), slots.take('a'), slots.take('a')].map((slot) => slot !== null)).toEqual([true, true, false]);
    expect([slots.take('b'), slots.take('b'), slots.take('c')].map((slot) => slot !== null)).toEqual([true, false, false]);
  });

  it('are free once they are given back, and one is given back once', () => {
    const slots = new Slots({ totalMax: 2, perHolderMax: 1 });
    const giveBack = slots.take('a');
    expect(slots.take('a')).toBeNull();
    giveBack?.();
    giveBack?.();
    expect(slots.take('a')).not.toBeNull();
    expect(slots.take('b')).not.toBeNull();
    expect(slots.take('c')).toBeNull();
  });
});
