import { describe, expect, it } from '@jest/globals';
import { DIMENSIONS, type Dimension } from '@tensorloop/contracts/usage';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import fc from 'fast-check';
import { normaliseAnthropicUsage } from './anthropic-usage.js';
import { chargeUsage } from './charge.js';
import { inputTokensMax, worstCaseHold } from './hold.js';
import { pricedDimensions } from './price-version.js';

const all = new Set<Dimension>(DIMENSIONS);
const plain = new Set<Dimension>(['input', 'output']);
const sample = {
  input_tokens: 1_000,
  cache_creation_input_tokens: 200,
  cache_read_input_tokens: 600,
  output_tokens: 500,
  output_tokens_details: { thinking_tokens: 300 },
};

describe('normaliseAnthropicUsage', () => {
  it('takes cached tokens as they stand beside the input, and thinking out of the output that contains it', () => {
    expect(normaliseAnthropicUsage(sample, all)).toEqual({
      usage: { input: 1_000, input_cache_read: 600, input_cache_write: 200, output: 200, output_reasoning: 300 },
    });
  });

  it('counts what has no price of its own as ordinary input and output, never as nothing', () => {
    expect(normaliseAnthropicUsage(sample, plain)).toEqual({ usage: { input: 1_800, output: 500 } });
  });

  it('reads usage without a word about caches', () => {
    const raw = { input_tokens: 3, output_tokens: 0, cache_read_input_tokens: null, output_tokens_details: null };
    expect(normaliseAnthropicUsage(raw, all)).toEqual({ usage: { input: 3 } });
  });

  it.each([
    ['more thinking than output', { ...sample, output_tokens: 299 }],
    ['a negative count', { ...sample, input_tokens: -1 }],
    ['a fraction', { ...sample, cache_creation_input_tokens: 1.5 }],
    ['text', { ...sample, cache_read_input_tokens: '5' }],
    ['nothing at all', {}],
    ['input alone, of which the output would be free', { input_tokens: 5 }],
    ['output alone, of which the input would be free', { output_tokens: 5 }],
  ])('calls %s nonsense', (_, raw) => {
    expect(normaliseAnthropicUsage(raw, all)).toEqual({ nonsense: expect.any(String) });
  });

  it('keeps every token exactly once, whatever is priced', () => {
    const counts = fc.record({
      input_tokens: fc.nat(9_999),
      cache_creation_input_tokens: fc.nat(9_999),
      cache_read_input_tokens: fc.nat(9_999),
      output_tokens: fc.nat(9_999),
    });
    fc.assert(
      fc.property(counts, fc.subarray([...DIMENSIONS]), (raw, priced) => {
        const result = normaliseAnthropicUsage(raw, new Set(priced));
        if ('nonsense' in result) return false;
        const sum = Object.values(result.usage).reduce((total, count) => total + count, 0);
        return sum === Object.values(raw).reduce((total, count) => total + count, 0);
      }),
    );
  });
});

describe('the hold of a call to Anthropic', () => {
  const rate = fc.integer({ min: 0, max: 99_999_999 }).map((scaled) => (scaled / 1_000_000).toFixed(6));
  const limits = {
    contextTokens: 200_000,
    maxOutputTokens: 64_000,
    tokensPerKilobyteMax: 1_200,
    overheadTokens: 1_024,
    overheadTokensPerMessage: 16,
    imageTokensMax: 1_600,
  };
  const rates = fc.record(
    { input: rate, output: rate, input_cache_read: rate, input_cache_write: rate, output_reasoning: rate },
    { requiredKeys: ['input', 'output'] },
  );
  const cut = fc.integer({ min: 0, max: 1_000 });

  it('covers every usage within its bounds, though a cache write is dearer than input', () => {
    fc.assert(
      fc.property(rates, fc.record({ bytes: fc.nat(5_000), out: fc.nat(5_000), cut, second: cut }), (priceRates, call) => {
        const version = { id: uuid7(), model: 'm', effectiveFromMs: 0, effectiveToMs: null, rates: priceRates };
        const shape = { promptBytes: call.bytes, messages: 1 };
        const input = inputTokensMax(limits, shape) as number;
        const written = Math.floor((input * call.cut) / 1_000);
        const read = Math.floor(((input - written) * call.second) / 1_000);
        const raw = {
          input_tokens: input - written - read,
          cache_creation_input_tokens: written,
          cache_read_input_tokens: read,
          output_tokens: call.out,
          output_tokens_details: { thinking_tokens: Math.floor((call.out * call.second) / 1_000) },
        };
        const normalised = normaliseAnthropicUsage(raw, pricedDimensions(version));
        if ('nonsense' in normalised) return false;
        const charge = chargeUsage(version, normalised.usage);
        const hold = worstCaseHold({ version, limits, shape }, call.out);
        return hold !== null && 'totalNanoUsd' in charge && charge.totalNanoUsd <= hold.totalNanoUsd;
      }),
    );
  });
});
