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

  it('gives the right ones after it gave up places', () => {
    const deque = new Deque<number>();
    for (let item = 0; item < 5_000; item++) deque.push(item);
    for (let item = 0; item < 4_000; item++) expect(deque.shift()).toBe(item);
    expect([deque.size, deque.first, deque.pop(), deque.shift()]).toEqual([1_000, 4_000, 4_999, 4_000]);
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
