import { describe, expect, it } from '@jest/globals';
import { intersectModels } from './projection.rules.js';

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
