import { afterAll, describe, expect, it, jest } from '@jest/globals';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { JOBS_BYTES_MAX, STUCK_MS, TokenEstimator, tokensFromBytes } from './token-estimator.service.js';

const estimator = new TokenEstimator();
afterAll(() => estimator.close());

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

describe('the token estimator', () => {
  it('counts an answer with the tokenizer, not by its bytes', async () => {
    const answer = json({ choices: [{ index: 0, message: { role: 'assistant', content: 'hello world, hello world' } }] });
    expect(await estimator.count('chat.answer', answer)).toBe(5);
  });

  it('puts a stream together before counting it: tokens straddle chunks', async () => {
    const delta = (content: string) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;
    const stream = `${delta('hel')}${delta('lo wor')}${delta('ld, hello world')}data: [DONE]\n\n`;
    expect(await estimator.count('chat.stream', Buffer.from(stream))).toBe(5);
  });

  it('counts prompts with what the chat template adds', async () => {
    const prompt = json({ messages: [{ role: 'user', content: [{ type: 'text', text: 'hello world' }] }] });
    expect(await estimator.count('chat.prompt', prompt)).toBe(8);
  });

  it('counts what is given to embed, rank and complete, and tokens that were counted already as such', async () => {
    expect(await estimator.count('embeddings.prompt', json({ input: ['hello world', [1, 2, 3]] }))).toBe(5);
    expect(await estimator.count('embeddings.answer', json({ data: [{ embedding: [0.5, 0.25] }] }))).toBe(0);
    expect(
      await estimator.count('rerank.prompt', json({ query: 'hello', documents: ['hello world', { text: 'hello' }] })),
    ).toBe(4);
    expect(await estimator.count('completions.prompt', json({ prompt: 'hello world' }))).toBe(2);
    expect(await estimator.count('completions.answer', json({ choices: [{ text: 'hello world' }, { text: 'hello' }] }))).toBe(
      3,
    );
    const stream = ['hel', 'lo wor', 'ld'].map((text) => `data: ${JSON.stringify({ choices: [{ index: 0, text }] })}\n\n`);
    expect(await estimator.count('completions.stream', Buffer.from(stream.join('')))).toBe(2);
  });

  it('counts items of the Responses API', async () => {
    const input = [{ role: 'user', content: [{ type: 'input_text', text: 'hello world' }] }];
    expect(await estimator.count('responses.prompt', json({ input, instructions: 'hello' }))).toBe(9);
    expect(await estimator.count('responses.prompt', json({ input: 'hello world' }))).toBe(5);
    const output = [
      { type: 'message', content: [{ type: 'output_text', text: 'hello world' }] },
      { type: 'function_call', name: 'hello', arguments: '' },
    ];
    expect(await estimator.count('responses.answer', json({ output }))).toBe(3);
    const delta = (text: string) =>
      `event: response.output_text.delta\ndata: ${JSON.stringify({ output_index: 0, content_index: 0, delta: text })}\n\n`;
    expect(await estimator.count('responses.stream', Buffer.from(delta('hel') + delta('lo world')))).toBe(2);
  });

  it('counts what describes a picture and what was heard, and never the bytes of pictures and sound', async () => {
    expect(await estimator.count('images.prompt', json({ prompt: 'hello world' }))).toBe(2);
    expect(await estimator.count('images.answer', json({ data: [{ b64_json: 'hello' }] }))).toBe(0);
    expect(await estimator.count('transcriptions.prompt', Buffer.from('hello world'))).toBe(0);
    expect(await estimator.count('transcriptions.answer', json({ text: 'hello world' }))).toBe(2);
    expect(await estimator.count('transcriptions.answer', Buffer.from('hello world'))).toBe(2);
  });

  it('counts what names a special token as text, with all that stands beside it', async () => {
    const prompt = json({ messages: [{ role: 'user', content: 'hello world<|endoftext|>' }] });
    expect(await estimator.count('chat.prompt', prompt)).toBe(6 + 2 + 7);
  });

  it('survives anything that is no JSON', async () => {
    expect(await estimator.count('chat.answer', Buffer.from('{{{'))).toBe(0);
    expect(await estimator.count('chat.stream', Buffer.from('data: {"choices": 4}\n\n'))).toBe(0);
  });

  it('counts what Anthropic’s blocks say, think and ask of tools', async () => {
    const blocks = [
      { type: 'text', text: 'hello world, ' },
      { type: 'tool_use', name: '', input: {}, id: 't' },
      { type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: 'hello world' }] },
    ];
    const answer = await estimator.count('messages.answer', json({ content: blocks }));
    expect(answer).toBeGreaterThan(4);
    expect(answer).toBeLessThan(8);
    const prompt = json({ system: 'hello world', messages: [{ role: 'user', content: 'hello world' }] });
    expect(await estimator.count('messages.prompt', prompt)).toBe(7);
    const event = (type: string, rest: object) => `event: ${type}\ndata: ${JSON.stringify({ type, index: 0, ...rest })}\n\n`;
    const delta = (change: object) => event('content_block_delta', { delta: change });
    const start = event('content_block_start', { content_block: { type: 'text', text: '' } });
    const stream = start + delta({ text: 'hello wor' }) + delta({ text: 'ld, hello world' });
    expect(await estimator.count('messages.stream', Buffer.from(stream))).toBe(5);
  });

  it('takes the events of a stream for its tokens once its worker is gone: a token takes hundreds of bytes there', async () => {
    const other = new TokenEstimator();
    const counting = other.count('chat.stream', Buffer.alloc(50_000, 'x'), 130);
    await other.close();
    expect(await counting).toBe(130);
  });

  it('counts a text that no context has room for as far as one may be, and soon', async () => {
    const other = new TokenEstimator();
    const prompt = 'hello '.repeat(4 * 1024 * 1024);
    const counted = await waitUntil(async () => {
      const tokens = await other.count('completions.prompt', json({ prompt }));
      return tokens === tokensFromBytes(prompt.length + 13) ? null : tokens;
    });
    expect(counted).toBeGreaterThan(1024 * 1024);
    expect(counted).toBeLessThan(2 * 1024 * 1024);
    await other.close();
  });

  it('divides the bytes of what there is no room for beside others, and counts again behind them', async () => {
    const other = new TokenEstimator();
    const answer = json({ choices: [{ message: { content: 'hello world' } }] });
    const first = other.count('chat.answer', Buffer.alloc(JOBS_BYTES_MAX, ' '));
    expect(await other.count('chat.answer', answer)).toBe(tokensFromBytes(answer.length));
    await first;
    await waitUntil(async () => (await other.count('chat.answer', answer)) === 2);
    await other.close();
  });

  it.each([
    ['', 0],
    [' and no other has room behind it', JOBS_BYTES_MAX],
  ])('begins with another worker where one is at the same job for too long%s', async (_, bytesMin) => {
    const other = new TokenEstimator();
    const answer = json({ choices: [{ message: { content: 'hello world' } }] });
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'setTimeout', 'clearTimeout'] });
    try {
      const stuck = Buffer.from(`{"choices":[{"message":{"content":"${'ab '.repeat(10_000_000)}"}}]}`);
      const late = other.count('chat.answer', stuck, 7);
      const behind = other.count('chat.answer', Buffer.alloc(Math.max(0, bytesMin - stuck.length), ' '), 7);
      jest.advanceTimersByTime(STUCK_MS + 1);
      const counted = other.count('chat.answer', answer);
      expect(await Promise.all([late, behind])).toEqual([7, 7]);
      await waitUntil(async () => (await other.count('chat.answer', answer)) === 2);
      expect([2, tokensFromBytes(answer.length)]).toContain(await counted);
    } finally {
      jest.useRealTimers();
      await other.close();
    }
  });

  it('divides bytes once its worker is gone', async () => {
    const other = new TokenEstimator();
    const counting = other.count('chat.answer', Buffer.alloc(50, 'x'));
    await other.close();
    expect(await counting).toBe(tokensFromBytes(50));
  });
});
