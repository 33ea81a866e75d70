import { describe, expect, it } from '@jest/globals';
import { cpuMsOf } from '@tensorloop/testing/cpu-time';
import fc from 'fast-check';
import { countTokens as countByLibrary } from 'gpt-tokenizer/encoding/o200k_base';
import { countTokens, pairs } from '../../test/o200k.js';
import { PIECE_BYTES_MAX } from './byte-pairs.js';
import { TextTokens } from './text-tokens.js';

const AS_TEXT = { disallowedSpecial: new Set<string>() };
/** Ten times what such a word takes by code that is not compiled yet; by the square of its length it would be minutes. */
const COUNT_CPU_MS_MAX = 8_000;
const LONG_WORD = 250_000;

const piece = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({ unit: 'grapheme', maxLength: 30 }),
  fc.string({ unit: fc.constantFrom(' ', '\t', '\r', '\n', '\u00a0', '/', 'a'), maxLength: 20 }),
  fc.string({ unit: fc.constantFrom('A', 'b', 'ǅ', 'ʰ', 'é', '\u0301', "'", 's', 'T', 'l', '1', '請'), maxLength: 40 }),
  fc.lorem({ maxCount: 20 }),
  fc.constantFrom('<|endoftext|>', '<|im_start|>', "they'LL", '👩‍👩‍👧', '\u0000', '\ud83d', '0123456789', 'a'.repeat(300)),
);
/** What the library takes for a space, or for none, unlike OpenAI's own tokenizer; and a letter that is another's other case. */
const DIFFERENT = /[\u0085\ufeffſ]/g;
const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('').replaceAll(DIFFERENT, ''));

describe('tokens of a text', () => {
  // Counted by OpenAI's own tiktoken 0.12 for Python.
  it.each([
    ['', 0],
    ['hello world', 2],
    ["I'LL say: it’s what they'Ve got", 12],
    ["aſ bſ x'ſ 'K", 9],
    ['a\ufeffb \ufeff c', 5],
    ['a\u0085b  \u0085\u0085c', 10],
    ['1234567 ١٢٣٤', 8],
    ['\r\n\r\n  \n\t x   ', 5],
    ['https://example.com//\n\n/', 6],
    ['<|endoftext|><|im_start|>', 12],
    ['👩‍👩‍👧 Ǆǅǆ ʰ é́', 20],
    ['請問這個多少錢？', 8],
    ['\u0000\u0001\u007f\u200b\u2028', 5],
  ])('of %j are as many as the provider counts', (said, tokens) => {
    expect(countTokens(said)).toBe(tokens);
  });

  it.each([
    ['a', 100, 13],
    ['請問', 3_000, 6_000],
    [' ', 5_000, 40],
    ['abcdefghij', 1_000, 2_000],
  ])('of %j %i times in one word are as many as the provider counts', (said, times, tokens) => {
    expect(countTokens(said.repeat(times))).toBe(tokens);
  });

  it('are as many as another implementation counts, whatever it says', () => {
    fc.assert(
      fc.property(text, (said) => {
        expect(countTokens(said)).toBe(countByLibrary(said, AS_TEXT));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['the same letter', () => 'a'],
    ['letters', (at: number) => String.fromCharCode(0x61 + (((at * 7_919) % 10_007) % 26))],
    ['spaces', () => ' '],
    ['marks', (at: number) => String.fromCharCode(0x21 + (((at * 7_919) % 10_007) % 14))],
  ])('of %s in one very long word take a time that grows with its length', (_, unit) => {
    const word = Array.from({ length: LONG_WORD }, (_, at) => unit(at)).join('');
    let tokens = 0;
    expect(cpuMsOf(() => (tokens = countTokens(word)))).toBeLessThan(COUNT_CPU_MS_MAX);
    // A token of this encoding has 128 bytes at most.
    expect(tokens).toBeGreaterThanOrEqual(LONG_WORD / 128);
  });

  it('of a text that is cut into words piece by piece are hardly more, and no character is cut', () => {
    const pieces = new TextTokens(pairs, 100);
    for (const said of ['hello world, '.repeat(100), 'я'.repeat(1_000), `x${'👩'.repeat(1_000)}`, 'a\ud83d'.repeat(500)]) {
      const whole = countTokens(said);
      expect(pieces.count(said)).toBeGreaterThanOrEqual(whole);
      expect(pieces.count(said)).toBeLessThanOrEqual(whole + (2 * said.length) / 99);
    }
  });

  it('of a word that is counted in pieces are hardly more than of its pieces', () => {
    const piece = 'q'.repeat(PIECE_BYTES_MAX);
    expect(countTokens(piece + piece + piece)).toBe(3 * countTokens(piece));
  });
});
