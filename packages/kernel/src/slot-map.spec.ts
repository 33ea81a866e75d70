import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SlotMap } from './slot-map.js';

type Step = { name: string; value: number | null };

const steps = fc.array(
  fc.record<Step>({ name: fc.constantFrom('a', 'b', 'c', 'd', 'e'), value: fc.option(fc.nat(), { nil: null }) }),
  { maxLength: 200 },
);

describe('a slot map', () => {
  it('holds what a map would hold, in its order, whatever is set and deleted', () => {
    fc.assert(
      fc.property(steps, (taken) => {
        const [slots, map] = [new SlotMap<{ value: number }>(), new Map<string, { value: number }>()];
        for (const { name, value } of taken) {
          if (value === null) expect(slots.delete(name)).toBe(map.delete(name));
          else {
            slots.set(name, { value });
            map.set(name, { value });
          }
          expect(slots.size).toBe(map.size);
          expect(slots.has(name)).toBe(map.has(name));
        }
        expect([...slots]).toEqual([...map]);
        expect([...slots.keys()]).toEqual([...map.keys()]);
        expect([...slots.values()]).toEqual([...map.values()]);
        for (const name of ['a', 'b', 'c', 'd', 'e']) expect(slots.get(name)).toEqual(map.get(name));
      }),
    );
  });

  it('lets entries be deleted while it is gone through', () => {
    const slots = new SlotMap<{ value: number }>();
    for (const value of [1, 2, 3, 4]) slots.set(String(value), { value });
    const visited: number[] = [];
    for (const [name, { value }] of slots) {
      visited.push(value);
      slots.delete(name);
    }
    expect(visited).toEqual([1, 2, 3, 4]);
    expect(slots.size).toBe(0);
  });

  it('is empty after it was cleared, and takes entries again', () => {
    const slots = new SlotMap<{ value: number }>();
    slots.set('a', { value: 1 });
    slots.clear();
    expect([...slots]).toEqual([]);
    slots.set('b', { value: 2 });
    expect([...slots]).toEqual([['b', { value: 2 }]]);
  });
});
