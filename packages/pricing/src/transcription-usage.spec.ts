import { describe, expect, it } from '@jest/globals';
import type { Dimension } from '@tensorloop/contracts/usage';
import { normaliseTranscriptionUsage } from './transcription-usage.js';

const priced = (...dimensions: Dimension[]) => new Set(dimensions);
const tokens = {
  type: 'tokens',
  input_tokens: 50,
  input_token_details: { text_tokens: 8, audio_tokens: 42 },
  output_tokens: 7,
};

describe('usage of a transcription', () => {
  it.each([
    [{ seconds: 7 }, 7],
    [{ seconds: 6.2, duration: 99 }, 7],
    [{ duration: 1.5 }, 2],
    [{ duration: '8.470000267028809' }, 9],
  ])('of %j is so many begun seconds', (raw, seconds) => {
    expect(normaliseTranscriptionUsage(raw, priced('audio_second'))).toEqual({ usage: { audio_second: seconds } });
  });

  it('in tokens is split into sound and text, as far as each has a price', () => {
    expect(normaliseTranscriptionUsage(tokens, priced('input', 'input_audio', 'output'))).toEqual({
      usage: { input: 8, input_audio: 42, output: 7 },
    });
    expect(normaliseTranscriptionUsage(tokens, priced('input_audio', 'output'))).toEqual({
      usage: { input_audio: 50, output: 7 },
    });
    expect(normaliseTranscriptionUsage(tokens, priced('input', 'output'))).toEqual({ usage: { input: 50, output: 7 } });
  });

  it('takes tokens of no stated kind for sound', () => {
    const raw = { input_tokens: 50, output_tokens: 7 };
    expect(normaliseTranscriptionUsage(raw, priced('input', 'input_audio', 'output'))).toEqual({
      usage: { input_audio: 50, output: 7 },
    });
  });

  it.each<[object, Dimension]>([
    [{}, 'audio_second'],
    [tokens, 'audio_second'],
    [{ duration: '' }, 'audio_second'],
    [{ seconds: -1 }, 'audio_second'],
    [{ seconds: Number.POSITIVE_INFINITY }, 'audio_second'],
    [{ seconds: 'many' }, 'audio_second'],
    [{ type: 'duration', seconds: 7 }, 'input_audio'],
    [{ ...tokens, output_tokens: 1.5 }, 'input_audio'],
    [{ ...tokens, input_token_details: { audio_tokens: 51 } }, 'input_audio'],
  ])('is nonsense in %j at a price for %s', (raw, dimension) => {
    expect(normaliseTranscriptionUsage(raw, priced(dimension))).toHaveProperty('nonsense');
  });
});
