import { describe, expect, it } from '@jest/globals';
import type { Dimension } from '@tensorloop/contracts/usage';
import { normaliseResponsesUsage } from './responses-usage.js';

const raw = {
  input_tokens: 10,
  input_tokens_details: { cached_tokens: 4 },
  output_tokens: 7,
  output_tokens_details: { reasoning_tokens: 2 },
  total_tokens: 17,
};

describe("the Responses API's usage", () => {
  it('is split into disjoint dimensions that add up to the whole', () => {
    const priced = new Set<Dimension>(['input', 'input_cache_read', 'output', 'output_reasoning']);
    expect(normaliseResponsesUsage(raw, priced)).toEqual({
      usage: { input: 6, input_cache_read: 4, output: 5, output_reasoning: 2 },
    });
  });

  it('keeps parts without a price of their own inside their whole', () => {
    expect(normaliseResponsesUsage(raw, new Set<Dimension>(['input', 'output']))).toEqual({ usage: { input: 10, output: 7 } });
  });

  it.each([{}, { input_tokens: 'x' }, { ...raw, input_tokens_details: { cached_tokens: 11 } }])('%j makes no sense', (odd) => {
    expect(normaliseResponsesUsage(odd, new Set())).toHaveProperty('nonsense');
  });
});
