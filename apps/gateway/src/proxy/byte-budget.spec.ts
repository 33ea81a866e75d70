import { describe, expect, it } from '@jest/globals';
import { ByteBudget } from './byte-budget.js';

describe('a byte budget', () => {
  it('is never exceeded, and free again once given back', () => {
    const budget = new ByteBudget(10);
    expect(budget.take(6)).toBe(true);
    expect(budget.take(5)).toBe(false);
    expect(budget.bytesTaken).toBe(6);
    expect(budget.take(4)).toBe(true);
    budget.give(6);
    expect(budget.take(6)).toBe(true);
    expect(budget.take(1)).toBe(false);
  });
});
