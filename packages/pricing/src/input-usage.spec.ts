import { describe, expect, it } from '@jest/globals';
import { normaliseInputUsage } from './input-usage.js';

describe('usage of an endpoint that only reads', () => {
  it.each([
    [{ prompt_tokens: 5, total_tokens: 5 }, { input: 5 }],
    [{ total_tokens: 9 }, { input: 9 }],
    [{ prompt_tokens: 4, total_tokens: null }, { input: 4 }],
    [{ prompt_tokens: 4, total_tokens: 7 }, { input: 7 }],
    [{ total_tokens: 0 }, {}],
  ])('%j is %j', (raw, usage) => {
    expect(normaliseInputUsage(raw)).toEqual({ usage });
  });

  it.each([
    {},
    { prompt_tokens: null },
    { total_tokens: -1 },
    { total_tokens: 1.5 },
    { total_tokens: '9' },
    { prompt_tokens: 1e10 },
    { prompt_tokens: 7, total_tokens: 6 },
  ])('%j makes no sense', (raw) => {
    expect(normaliseInputUsage(raw)).toHaveProperty('nonsense');
  });
});
