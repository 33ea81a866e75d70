import { describe, expect, it } from '@jest/globals';
import { DIMENSIONS, type Dimension } from '@tensorloop/contracts/usage';
import fc from 'fast-check';
import { normaliseOpenAiUsage } from './openai-usage.js';

const all = new Set<Dimension>(DIMENSIONS);
const plain = new Set<Dimension>(['input', 'output']);
const sample = {
  prompt_tokens: 1_000,
  completion_tokens: 500,
  total_tokens: 1_500,
  prompt_tokens_details: { cached_tokens: 600, audio_tokens: 100 },
  completion_tokens_details: {
    reasoning_tokens: 300,
    audio_tokens: 50,
    accepted_prediction_tokens: 7,
    rejected_prediction_tokens: 3,
  },
};

describe('normaliseOpenAiUsage', () => {
  it('takes cached, audio and reasoning tokens out of the counts that contain them', () => {
    expect(normaliseOpenAiUsage(sample, all)).toEqual({
      usage: { input: 300, input_cache_read: 600, input_audio: 100, output: 150, output_reasoning: 300, output_audio: 50 },
    });
  });

  it('counts cached and reasoning tokens as their parent when the model has no price for them, but never audio', () => {
    expect(normaliseOpenAiUsage(sample, plain)).toEqual({
      usage: { input: 900, input_audio: 100, output: 450, output_audio: 50 },
    });
  });

  it('takes written cache tokens out of the input where the model has a price for them, and leaves them in it elsewhere', () => {
    const raw = {
      prompt_tokens: 100,
      completion_tokens: 1,
      prompt_tokens_details: { cached_tokens: 20, cache_write_tokens: 30 },
    };
    expect(normaliseOpenAiUsage(raw, all)).toEqual({
      usage: { input: 50, input_cache_read: 20, input_cache_write: 30, output: 1 },
    });
    expect(normaliseOpenAiUsage(raw, plain)).toEqual({ usage: { input: 100, output: 1 } });
  });

  it.each([81, 'many', -1])('with %s written cache tokens is nonsense only where they would be priced', (written) => {
    const raw = {
      prompt_tokens: 100,
      completion_tokens: 1,
      prompt_tokens_details: { cached_tokens: 20, cache_write_tokens: written },
    };
    expect(normaliseOpenAiUsage(raw, all)).toEqual({ nonsense: expect.stringContaining('cache_write_tokens') });
    expect(normaliseOpenAiUsage(raw, plain)).toEqual({ usage: { input: 100, output: 1 } });
  });

  it('reads the usage of an upstream that gives no details', () => {
    expect(normaliseOpenAiUsage({ prompt_tokens: 3, completion_tokens: 0, prompt_tokens_details: null }, all)).toEqual({
      usage: { input: 3 },
    });
  });

  it.each([
    [
      'more cached tokens than prompt tokens',
      { prompt_tokens: 5, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 6 } },
    ],
    [
      'cached and audio tokens above prompt tokens together',
      { prompt_tokens: 5, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 3, audio_tokens: 3 } },
    ],
    [
      'more reasoning than completion tokens',
      { prompt_tokens: 5, completion_tokens: 1, completion_tokens_details: { reasoning_tokens: 2 } },
    ],
    ['a negative count', { prompt_tokens: -1, completion_tokens: 1 }],
    ['a fraction', { prompt_tokens: 1.5, completion_tokens: 1 }],
    ['text', { prompt_tokens: '5', completion_tokens: 1 }],
    ['nothing at all', {}],
    ['nulls alone, which would be a call for free', { prompt_tokens: null, completion_tokens: null }],
  ])('calls %s nonsense', (_, raw) => {
    expect(normaliseOpenAiUsage(raw, all)).toEqual({ nonsense: expect.any(String) });
  });

  it('keeps every token exactly once, whatever is priced', () => {
    const counts = fc.record({
      input: fc.nat(9_999),
      cached: fc.nat(9_999),
      written: fc.nat(9_999),
      audio: fc.nat(99),
      output: fc.nat(9_999),
      reasoning: fc.nat(9_999),
    });
    fc.assert(
      fc.property(counts, fc.subarray([...DIMENSIONS]), (count, priced) => {
        const raw = {
          prompt_tokens: count.input + count.cached + count.written + count.audio,
          completion_tokens: count.output + count.reasoning,
          prompt_tokens_details: { cached_tokens: count.cached, cache_write_tokens: count.written, audio_tokens: count.audio },
          completion_tokens_details: { reasoning_tokens: count.reasoning },
        };
        const result = normaliseOpenAiUsage(raw, new Set(priced));
        if ('nonsense' in result) return false;
        const sum = Object.values(result.usage).reduce((total, tokens) => total + tokens, 0);
        const written = priced.includes('input_cache_write') ? count.written : 0;
        return sum === raw.prompt_tokens + raw.completion_tokens && (result.usage.input_cache_write ?? 0) === written;
      }),
    );
  });
});
