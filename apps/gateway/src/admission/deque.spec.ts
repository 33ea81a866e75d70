import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Deque } from './deque.js';

describe('a list that is taken from at both ends', () => {
  it('gives what an array gives, whatever is put in and taken out', () => {
    const steps = fc.array(fc.constantFrom('push', 'push', 'shift', 'pop'), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(steps, (names) => {
        const deque = new Deque<number>();
        const array: number[] = [];
        names.forEach((name, index) => {
          if (name === 'push') {
            deque.push(index);
            array.push(index);
          } else expect(deque[name as 'shift' | 'pop']()).toBe(array[name as 'shift' | 'pop']());
          expect([deque.size, deque.first]).toEqual([array.length, array[0]]);
        });
      }),
    );
  });

  it('does not grow, however much passes through it while somebody is always there', () => {
    const deque = new Deque<object>();
    deque.push({});
    for (let passed = 0; passed < 10_000; passed++) {
      deque.push({});
      deque.shift();
    }
    expect(deque.size).toBe(1);
    expect((deque as unknown as { items: object[] }).items.length).toBeLessThanOrEqual(1_025);
  });
});
