import { describe, expect, it } from '@jest/globals';
import { KeptShape } from './kept-shape.js';

describe('a kept shape', () => {
  it('hands on what it keeps, and keeps the last alone', () => {
    const shape = new KeptShape<{ id: number }>();
    expect(shape.last).toBeNull();
    const [first, second] = [{ id: 1 }, { id: 2 }];
    expect(shape.keep(first)).toBe(first);
    expect(shape.keep(second)).toBe(second);
    expect(shape.last).toBe(second);
  });
});
