import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { answerText } from './answer-text.js';

describe('answerText', () => {
  it('gives the same text whole and in pieces', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 32 - 1), fc.nat(20_000), fc.nat(20_000), (seed, first, second) => {
        const whole = answerText(seed, 0, first + second);
        expect(answerText(seed, 0, first) + answerText(seed, first, first + second)).toBe(whole);
      }),
    );
  });

  it('has one word a token and nothing that JSON would escape', () => {
    const text = answerText(12_345, 0, 9_000);
    expect(text.trim().split(' ')).toHaveLength(9_000);
    expect(JSON.stringify(text)).toBe(`"${text}"`);
  });
});
