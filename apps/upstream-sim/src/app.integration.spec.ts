import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openAiErrorSchema } from '@tensorloop/contracts/openai-error';
import { waitUntil } from '@tensorloop/testing/wait-until';
import OpenAI, { NotFoundError } from 'openai';
import { createSimulator, type Simulator } from './app.js';

let simulator: Simulator;
let url: string;
let openai: OpenAI;

beforeAll(async () => {
  simulator = await createSimulator({ oracleFile: null });
  url = await simulator.listen(0);
  openai = new OpenAI({ apiKey: 'unused', baseURL: `${url}/v1`, maxRetries: 0 });
});
afterAll(() => simulator.close());

const hello = { model: 'gpt-4o-mini', messages: [{ role: 'user' as const, content: 'Hello there, simulator' }] };

/** x_sim is no field that the SDK's types know. */
function withSim(sim: Record<string, unknown>): typeof hello {
  return { ...hello, x_sim: sim } as typeof hello;
}

describe('an answer in one piece', () => {
  it("is what OpenAI's SDK reads, with the usage asked for", async () => {
    const asked = withSim({ promptTokens: 40, cachedTokens: 16, completionTokens: 12, reasoningTokens: 4 });
    const { data, request_id } = await openai.chat.completions.create(asked).withResponse();
    expect(request_id).toMatch(/^req_/);
    expect(data).toMatchObject({ object: 'chat.completion', model: 'gpt-4o-mini' });
    expect(data.choices).toHaveLength(1);
    expect(data.choices[0]).toMatchObject({ index: 0, finish_reason: 'stop', message: { role: 'assistant', refusal: null } });
    expect(data.choices[0]?.message.content?.trim().split(' ')).toHaveLength(8);
    expect(data.usage).toMatchObject({
      prompt_tokens: 40,
      completion_tokens: 12,
      total_tokens: 52,
      prompt_tokens_details: { cached_tokens: 16 },
      completion_tokens_details: { reasoning_tokens: 4 },
    });
  });

  it('says the same to the same question, and something else to another', async () => {
    const answer = async (content: string) => {
      const completion = await openai.chat.completions.create({ ...hello, messages: [{ role: 'user', content }] });
      return [completion.choices[0]?.message.content, completion.usage];
    };
    const first = await answer('What is a ledger?');
    expect(await answer('What is a ledger?')).toEqual(first);
    expect(await answer('What is a budget?')).not.toEqual(first);
  });

  it('stops at max_tokens with finish_reason length', async () => {
    const completion = await openai.chat.completions.create({ ...withSim({ completionTokens: 100 }), max_tokens: 7 });
    expect(completion.choices[0]?.finish_reason).toBe('length');
    expect(completion.usage?.completion_tokens).toBe(7);
  });

  it('counts the output of all its choices', async () => {
    const completion = await openai.chat.completions.create({ ...withSim({ completionTokens: 5 }), n: 3 });
    expect(completion.choices.map((choice) => choice.index)).toEqual([0, 1, 2]);
    expect(completion.usage?.completion_tokens).toBe(15);
  });
});

describe('a stream', () => {
  it('ends with an event of usage alone when that is asked for, null in all before', async () => {
    const sim = withSim({ promptTokens: 9, completionTokens: 10, tokensPerChunk: 4 });
    const stream = await openai.chat.completions.create({ ...sim, stream: true, stream_options: { include_usage: true } });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    const last = chunks.pop();
    expect(last?.choices).toEqual([]);
    expect(last?.usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 10, total_tokens: 19 });
    expect(
      chunks.every((chunk) => chunk.usage === null && chunk.object === 'chat.completion.chunk' && chunk.id === last?.id),
    ).toBe(true);
    expect(chunks[0]?.choices[0]?.delta).toEqual({ role: 'assistant', content: '', refusal: null });
    expect(chunks.at(-1)?.choices[0]).toMatchObject({ delta: {}, finish_reason: 'stop' });
    expect(chunks).toHaveLength(1 + 3 + 1);
  });

  it('carries no usage when none is asked for', async () => {
    const stream = await openai.chat.completions.create({ ...hello, stream: true });
    for await (const chunk of stream) expect(chunk.usage).toBeUndefined();
  });

  it('says the same as the answer in one piece', async () => {
    const whole = await openai.chat.completions.create(hello);
    const stream = await openai.chat.completions.create({ ...hello, stream: true });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe(whole.choices[0]?.message.content);
  });

  it('is closed by [DONE], with long answers sent whole', async () => {
    const body = JSON.stringify({ ...withSim({ completionTokens: 20_000 }), stream: true });
    const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body });
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const events = (await response.text()).split('\n\n');
    expect(events.slice(-2)).toEqual(['data: [DONE]', '']);
    expect(events).toHaveLength(1 + 20_000 + 1 + 2);
  });
});

describe('models', () => {
  it('are listed', async () => {
    const ids = [];
    for await (const model of openai.models.list()) ids.push(model.id);
    expect(ids).toEqual(expect.arrayContaining(['gpt-4o', 'gpt-4o-mini', 'llama-3.3-70b']));
  });

  it('are found by id, and 404 model_not_found otherwise', async () => {
    expect(await openai.models.retrieve('gpt-4o')).toMatchObject({ id: 'gpt-4o', object: 'model', owned_by: 'openai' });
    const failure = await openai.models.retrieve('gpt-0').catch((err: unknown) => err);
    expect(failure).toBeInstanceOf(NotFoundError);
    expect(failure).toMatchObject({ code: 'model_not_found', param: 'model' });
  });
});

describe('everything else', () => {
  it.each([
    ['GET', '/v1/nothing', 404],
    ['POST', '/v1/models', 404],
    ['GET', '/v1/chat/completions', 405],
  ])('%s %s is %i in the shape of an OpenAI error', async (method, path, status) => {
    const response = await fetch(url + path, { method });
    expect(response.status).toBe(status);
    openAiErrorSchema.parse(await response.json());
  });

  it('is alive and ready, and counts calls', async () => {
    await openai.chat.completions.create(hello);
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
    expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/upstream_sim_calls_total\{outcome="completed"\} [1-9]/);
  });

  it('says how many calls are in progress', async () => {
    const openCalls = async () => ((await (await fetch(`${url}/stats`)).json()) as { openCalls: number }).openCalls;
    const leaving = new AbortController();
    const call = openai.chat.completions.create(withSim({ fault: 'never' }), { signal: leaving.signal }).catch(() => null);
    await waitUntil(async () => (await openCalls()) === 1);
    leaving.abort();
    await call;
    await waitUntil(async () => (await openCalls()) === 0);
  });

  it('refuses a body above the limit with 413', async () => {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: Buffer.alloc(32 * 1024 * 1024 + 1, 'a'),
    });
    expect(response.status).toBe(413);
    openAiErrorSchema.parse(await response.json());
  });
});
