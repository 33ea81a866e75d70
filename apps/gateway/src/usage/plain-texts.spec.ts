import { afterAll, describe, expect, it, jest } from '@jest/globals';
import { cpuMsOf } from '@tensorloop/testing/cpu-time';
import { waitUntil } from '@tensorloop/testing/wait-until';
import fc from 'fast-check';
import { countTokens as countChat } from 'gpt-tokenizer/model/gpt-4o';
import { countTokens } from '../../test/o200k.js';
import { countPlainTexts as countPlainTextsBy } from './plain-texts.js';
import {
  EXACT_BYTES_MAX,
  EXACT_JOBS_MAX,
  EXACT_TIMEOUT_MS,
  JOB_TIMEOUT_MS,
  JOBS_MAX,
  TokenEstimator,
  tokensFromBytes,
} from './token-estimator.service.js';

/** By code that is not compiled yet it takes up to 75 ms; by the square of a word's length it took 2,000. */
const COUNT_CPU_MS_MAX = 1_000;

const estimator = new TokenEstimator();
afterAll(() => estimator.close());

const countPlainTexts = (sent: string) => countPlainTextsBy(sent, countTokens);

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
    ['nothing', {}],
    ['a number', { content: 5 }],
  ])('leave %s to its bytes', (_, content) => {
    expect(countPlainTexts(body({ role: 'user', ...content }))).toEqual({ tokens: 0, textBytes: 0 });
  });

  it('in languages without spaces are counted as others are', () => {
    expect(countPlainTexts(body({ role: 'user', content: '請問這個多少錢'.repeat(1_000) })).tokens).toBeGreaterThan(5_000);
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
  const bodyOf = (content: string) => Buffer.from(body({ role: 'user', content }));

  it('is made off the event loop, and only of what is small', async () => {
    expect(await estimator.countExactly(bodyOf('hello world'), 'a')).toEqual({ tokens: 2, textBytes: 11 });
    const largest = 'hello '.repeat((EXACT_BYTES_MAX - 200) / 6);
    expect(await estimator.countExactly(bodyOf(largest), 'a')).toMatchObject({ textBytes: largest.length });
    expect(await estimator.countExactly(Buffer.alloc(EXACT_BYTES_MAX + 1), 'a')).toBeNull();
  });

  it('is not waited for in a queue', async () => {
    const accounts = Array.from({ length: EXACT_JOBS_MAX + 3 }, (_, index) => `account ${index}`);
    const all = await Promise.all(accounts.map((account) => estimator.countExactly(bodyOf('hello'), account)));
    expect(all.filter((count) => count === null)).toHaveLength(3);
  });

  it('is made one at a time for an account, and for others meanwhile', async () => {
    const all = ['a', 'a', 'b', 'a'].map((account) => estimator.countExactly(bodyOf('hello'), account));
    expect((await Promise.all(all)).map((count) => count !== null)).toEqual([true, false, true, false]);
    expect(await estimator.countExactly(bodyOf('hello'), 'a')).not.toBeNull();
  });

  it('that nobody waits for any more keeps its place until the worker has answered it', async () => {
    const slow = new TokenEstimator();
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    try {
      const late = slow.countExactly(bodyOf('hello'), 'a');
      const guesses = Array.from({ length: JOBS_MAX - 1 }, () => slow.count('chat.answer', Buffer.alloc(50)));
      jest.advanceTimersByTime(Math.max(EXACT_TIMEOUT_MS, JOB_TIMEOUT_MS));
      expect([await late, await Promise.all(guesses)]).toEqual([null, Array(JOBS_MAX - 1).fill(tokensFromBytes(50))]);
      expect(await slow.countExactly(bodyOf('hello'), 'a')).toBeNull();
      expect(await slow.count('chat.answer', Buffer.from('{}'))).toBe(tokensFromBytes(2));
    } finally {
      jest.useRealTimers();
    }
    await waitUntil(async () => (await slow.countExactly(bodyOf('hello'), 'a')) !== null, { what: 'the worker' });
    await slow.close();
  });

  it('waits for the worker’s start, and once it runs no longer than a second', async () => {
    const slow = new TokenEstimator();
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    try {
      const first = slow.countExactly(bodyOf('hello'), 'a');
      jest.advanceTimersByTime(EXACT_TIMEOUT_MS);
      expect(await first).toEqual({ tokens: 1, textBytes: 5 });
      const second = slow.countExactly(bodyOf('hello'), 'a');
      jest.advanceTimersByTime(EXACT_TIMEOUT_MS);
      expect(await second).toBeNull();
    } finally {
      jest.useRealTimers();
      await slow.close();
    }
  });

  it.each([
    ['letters', 26, 0x61],
    ['ideographs', 5_000, 0x4e00],
    ['marks', 12, 0x23],
  ])('of the largest body of %s takes little of a processor', (_, kinds, from) => {
    const unit = (at: number) => String.fromCharCode(from + (((at * 7_919) % 10_007) % kinds));
    let content = '';
    for (let at = 0; Buffer.byteLength(content) < EXACT_BYTES_MAX - 6_000; ) {
      let word = '';
      while (Buffer.byteLength(word) < 4_997) word += unit(at++);
      content += `${word} `;
    }
    const sent = body({ role: 'user', content });
    const count = () => expect(countPlainTexts(sent).textBytes).toBe(Buffer.byteLength(content));
    expect(cpuMsOf(count)).toBeLessThan(COUNT_CPU_MS_MAX);
  });
});
