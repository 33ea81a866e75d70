import { describe, expect, it } from '@jest/globals';
import { TextMemo } from './text-memo.js';

const TEXTS_MAX = 3;

function memo() {
  const parsed: string[] = [];
  return {
    parsed,
    memo: new TextMemo(TEXTS_MAX, (text) => {
      parsed.push(text);
      return { text };
    }),
  };
}

describe('what a text means', () => {
  it('is worked out once, whoever made the text, and shared', () => {
    const { memo: texts, parsed } = memo();
    const first = texts.read('key|account');
    expect(texts.read(['key', 'account'].join('|'))).toBe(first);
    expect(Object.isFrozen(first)).toBe(true);
    expect(parsed).toEqual(['key|account']);
  });

  it('is remembered of no more texts than it may, and right of those that were forgotten', () => {
    const { memo: texts } = memo();
    for (let round = 0; round < 2; round++) {
      for (const text of ['a', 'b', 'ü', 'd', 'e', 'f', 'g']) {
        expect(texts.read(text)).toEqual({ text });
        expect(texts.size).toBeLessThanOrEqual(TEXTS_MAX);
      }
    }
  });
});
