import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Failure } from '../server/openai-error.js';
import { type ChatPlan, planChat } from './chat.request.js';

const hello = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello there' }] };

function plan(body: unknown): ChatPlan {
  const result = planChat({ bytes: Buffer.from(JSON.stringify(body)), deployment: null });
  if ('error' in result) throw new Error(result.error.message);
  return result;
}

function failure(body: unknown): Failure {
  const result = planChat({
    bytes: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    deployment: null,
  });
  if (!('error' in result)) throw new Error('expected a refusal');
  return result;
}

describe('without x_sim', () => {
  it('decides the same for the same messages, whatever else the body holds', () => {
    const { promptTokens, completionTokens, seed } = plan(hello);
    expect(plan({ ...hello, stream: true, stream_options: { include_usage: true } })).toMatchObject({
      promptTokens,
      completionTokens,
      seed,
    });
  });

  it('counts a token for every four bytes of text, and at least one', () => {
    expect(plan(hello).promptTokens).toBe(3);
    expect(
      plan({
        ...hello,
        messages: [
          { role: 'user', content: 'éé' },
          { role: 'user', content: [{ type: 'text', text: 'abcde' }] },
        ],
      }).promptTokens,
    ).toBe(3);
    expect(plan({ ...hello, messages: [{ role: 'user', content: '' }] }).promptTokens).toBe(1);
  });

  it('never reports more prompt tokens than the body has bytes, nor more output than allowed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 500 }), fc.integer({ min: 1, max: 200 }), (content, limit) => {
        const body = { model: 'm', messages: [{ content }], max_tokens: limit };
        const { promptTokens, completionTokens } = plan(body);
        expect(promptTokens).toBeLessThanOrEqual(Buffer.byteLength(JSON.stringify(body)));
        expect(completionTokens).toBeLessThanOrEqual(limit);
      }),
    );
  });
});

describe('max tokens', () => {
  const fifty = { ...hello, x_sim: { completionTokens: 50 } };

  it.each([
    [{ max_tokens: 20 }, 20, 'length'],
    [{ max_completion_tokens: 20 }, 20, 'length'],
    [{ max_tokens: 30, max_completion_tokens: 20 }, 20, 'length'],
    [{ max_tokens: 50 }, 50, 'stop'],
    [{ max_tokens: null }, 50, 'stop'],
    [{}, 50, 'stop'],
  ])('%j leaves %i tokens, finish_reason %s', (limits, completionTokens, finishReason) => {
    expect(plan({ ...fifty, ...limits })).toMatchObject({ completionTokens, finishReason });
  });

  it('is ignored on demand', () => {
    const ignoring = { ...hello, max_tokens: 5, x_sim: { completionTokens: 50, fault: 'ignore_max_tokens' } };
    expect(plan(ignoring)).toMatchObject({ completionTokens: 50, finishReason: 'stop' });
  });
});

describe('refusals', () => {
  it.each<[string, unknown, string | null]>([
    ['no JSON', '{"model":', null],
    ['an array', [], null],
    ['no model', { messages: hello.messages }, 'model'],
    ['no messages', { model: 'm' }, 'messages'],
    ['empty messages', { model: 'm', messages: [] }, 'messages'],
    ['a message that is null', { model: 'm', messages: [null] }, 'messages'],
    ['max_tokens of zero', { ...hello, max_tokens: 0 }, 'max_tokens'],
    ['max_tokens as text', { ...hello, max_tokens: '5' }, 'max_tokens'],
    ['129 choices', { ...hello, n: 129 }, 'n'],
    ['an unknown field of x_sim', { ...hello, x_sim: { tokens: 5 } }, 'x_sim'],
    ['an unknown fault', { ...hello, x_sim: { fault: 'explode' } }, 'x_sim'],
    ['a status without its fault', { ...hello, x_sim: { status: 500 } }, 'x_sim'],
    ['cut_json on a stream', { ...hello, stream: true, x_sim: { fault: 'cut_json' } }, 'x_sim'],
    ['more cached than prompt tokens', { ...hello, x_sim: { promptTokens: 2, cachedTokens: 3 } }, 'x_sim'],
    ['more reasoning than completion tokens', { ...hello, x_sim: { completionTokens: 2, reasoningTokens: 3 } }, 'x_sim'],
  ])('%s', (_, body, param) => {
    expect(failure(body)).toMatchObject({ status: 400, error: { type: 'invalid_request_error', param } });
  });

  it('says how many tokens a body can hold when more are asked for', () => {
    const body = { ...hello, x_sim: { promptTokens: 100_000 } };
    const bytes = Buffer.byteLength(JSON.stringify(body));
    expect(failure(body).error.message).toContain(`a body of ${bytes} bytes holds at most ${bytes} tokens`);
  });

  it('takes exactly one token a byte', () => {
    const bytes = Buffer.byteLength(JSON.stringify({ ...hello, x_sim: { promptTokens: 100 } }));
    expect(plan({ ...hello, x_sim: { promptTokens: bytes } }).promptTokens).toBe(bytes);
    expect(failure({ ...hello, x_sim: { promptTokens: bytes + 1 } }).status).toBe(400);
  });
});
