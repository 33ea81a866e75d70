import { afterAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { countTokens as countChat } from 'gpt-tokenizer/model/gpt-4o';
import { countPlainTexts } from './plain-texts.js';
import { EXACT_BYTES_MAX, EXACT_JOBS_MAX, TokenEstimator } from './token-estimator.service.js';

const estimator = new TokenEstimator();
afterAll(() => estimator.close());

function body(...messages: unknown[]): string {
  return JSON.stringify({ model: 'gpt-4o-mini', messages });
}

/** What a provider adds to a message at most, as OpenAI documents it: its frame, its role, and what opens the answer. */
const FRAME_TOKENS = 8;
const OVERHEAD_TOKENS = 16;

const word = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({ unit: 'grapheme', maxLength: 30 }),
  fc.lorem({ maxCount: 20 }),
  fc.constantFrom(
    '<|endoftext|>',
    '<|im_start|>',
    '<|fim_prefix|>',
    '請問這個多少錢',
    '👩‍👩‍👧',
    '\u0000',
    ' \n\t ',
    '0123456789',
    'aaaaaaaaaaaa',
  ),
);
const text = fc.array(word, { maxLength: 8 }).map((words) => words.join(''));
const message = fc.record({ role: fc.constantFrom('user', 'system', 'assistant'), content: text });

describe('plain texts of a chat body', () => {
  it('are counted by the tokenizer, and by their bytes in UTF-8', () => {
    expect(countPlainTexts(body({ role: 'user', content: 'hello world' }))).toEqual({ tokens: 2, textBytes: 11 });
    const part = { role: 'user', content: [{ type: 'text', text: 'hello wörld' }] };
    expect(countPlainTexts(body(part, { role: 'user', content: 'hello' }))).toEqual({ tokens: 5, textBytes: 17 });
  });

  it.each([
    [
      'several parts',
      {
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
    ],
    ['an image', { content: [{ type: 'image_url', text: 'a' }] }],
    ['a lone surrogate', { content: 'a\ud800' }],
    ['a word that would take long', { content: 'a'.repeat(5_000) }],
    ['spaces that would take long', { content: ' '.repeat(5_000) }],
    ['nothing', {}],
    ['a number', { content: 5 }],
  ])('leave %s to its bytes', (_, content) => {
    expect(countPlainTexts(body({ role: 'user', ...content }))).toEqual({ tokens: 0, textBytes: 0 });
  });

  it('of a special token written out are never less than that token', () => {
    expect(countPlainTexts(body({ role: 'user', content: '<|endoftext|>' })).tokens).toBeGreaterThan(1);
  });

  it.each(['', 'no', 'null', '[]', '{"messages":5}', '{"messages":[null,5,[]]}'])('of %j are none', (odd) => {
    expect(countPlainTexts(odd)).toEqual({ tokens: 0, textBytes: 0 });
  });

  it('with the documented overhead are never fewer than what the provider counts, whatever they say', () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 4 }), (messages) => {
        const { tokens } = countPlainTexts(body(...messages));
        const well = messages.filter(({ content }) => content.isWellFormed());
        const counted = countChat(well, { disallowedSpecial: new Set() });
        return counted <= tokens + OVERHEAD_TOKENS + FRAME_TOKENS * messages.length;
      }),
      { numRuns: 500 },
    );
  });

  it('never take more bytes than the body has for them, however it is escaped', () => {
    fc.assert(
      fc.property(text, fc.boolean(), (content, escapes) => {
        const plain = body({ role: 'user', content });
        const sent = escapes
          ? plain.replace(/[\u0080-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
          : plain;
        const rest = Buffer.byteLength(sent) - countPlainTexts(sent).textBytes;
        return rest >= Buffer.byteLength(body({ role: 'user', content: '' }));
      }),
    );
  });
});

describe('an exact count', () => {
  it('is made off the event loop, and only of what is small', async () => {
    expect(await estimator.countExactly(Buffer.from(body({ role: 'user', content: 'hello world' })))).toEqual({
      tokens: 2,
      textBytes: 11,
    });
    expect(await estimator.countExactly(Buffer.alloc(EXACT_BYTES_MAX + 1))).toBeNull();
  });

  it('is not waited for in a queue', async () => {
    const small = Buffer.from(body({ role: 'user', content: 'hello' }));
    const all = await Promise.all(Array.from({ length: EXACT_JOBS_MAX + 3 }, () => estimator.countExactly(small)));
    expect(all.filter((count) => count === null)).toHaveLength(3);
  });
});
