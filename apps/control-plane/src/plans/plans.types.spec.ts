import { describe, expect, it } from '@jest/globals';
import { cutToPlan, intersectModels } from './plans.types.js';

describe('the models a key may call (TL-2, TL-11)', () => {
  it.each([
    [['*'], ['*'], ['*']],
    [['*'], ['a'], ['a']],
    [['a', 'b'], ['*'], ['a', 'b']],
    [['a', 'b'], ['b', 'c'], ['b']],
    [['a'], ['b'], []],
  ])('of allowlist %j under a plan with %j are %j', (keyModels, planModels, expected) => {
    expect(intersectModels(keyModels, planModels)).toEqual(expected);
  });
});

describe('a key under a plan (TL-2)', () => {
  const plan = { models: ['*'], budgetPerKeyNanoUsdMax: 50n, rpmPerKeyMax: 120 };

  it('has the smaller of its own limit and the plan’s, each for itself', () => {
    expect(cutToPlan({ models: ['a'], budgetNanoUsd: 100n, rpm: 10 }, plan)).toEqual({
      models: ['a'],
      budgetNanoUsd: 50n,
      rpm: 10,
    });
    expect(cutToPlan({ models: ['a'], budgetNanoUsd: 7n, rpm: 300 }, plan)).toEqual({
      models: ['a'],
      budgetNanoUsd: 7n,
      rpm: 120,
    });
  });
});
