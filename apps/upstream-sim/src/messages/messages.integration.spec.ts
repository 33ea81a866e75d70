import Anthropic, { APIError, BadRequestError, RateLimitError } from '@anthropic-ai/sdk';
import type { RawMessageStreamEvent } from '@anthropic-ai/sdk/resources/messages';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SimulatorFixture } from '../../test/simulator-fixture.js';

let simulator: SimulatorFixture;
let anthropic: Anthropic;

beforeAll(async () => {
  simulator = await SimulatorFixture.start();
  anthropic = new Anthropic({ apiKey: 'unused', baseURL: simulator.url, maxRetries: 0 });
});
afterAll(() => simulator.stop());

const SIM = { promptTokens: 60, cachedTokens: 20, cacheWriteTokens: 10, completionTokens: 12 };
const asked = {
  model: 'claude-test',
  max_tokens: 100,
  messages: [{ role: 'user' as const, content: 'Who pays for this, and when, and how much of it?' }],
  x_sim: SIM,
};

describe('a message', () => {
  it("is what Anthropic's SDK reads, with the cache counted beside the input", async () => {
    const message = await anthropic.messages.create(asked, { headers: { 'x-request-id': 'whole' } });
    expect(message).toMatchObject({ type: 'message', role: 'assistant', stop_reason: 'end_turn' });
    expect(message._request_id).toMatch(/^req_/);
    expect(message.content[0]?.type === 'text' && message.content[0].text.trim().split(' ').length).toBe(12);
    expect(message.usage).toMatchObject({
      input_tokens: 30,
      cache_creation_input_tokens: 10,
      cache_read_input_tokens: 20,
      output_tokens: 12,
    });
    expect(await simulator.record('whole')).toMatchObject({
      endpoint: 'messages',
      quantities: { input: 30, input_cache_read: 20, input_cache_write: 10, output: 12 },
      promptTokens: 60,
    });
  });

  it('stops at max_tokens', async () => {
    const message = await anthropic.messages.create({ ...asked, max_tokens: 5 });
    expect(message).toMatchObject({ stop_reason: 'max_tokens', usage: { output_tokens: 5 } });
  });

  it('streams as the events of the protocol, output counted at the end', async () => {
    const stream = await anthropic.messages.create({ ...asked, stream: true }, { headers: { 'x-request-id': 'streamed' } });
    const events: RawMessageStreamEvent[] = [];
    for await (const event of stream) events.push(event);
    const types = events.map(({ type }) => type);
    expect(types.filter((type) => type !== 'content_block_delta')).toEqual([
      'message_start',
      'content_block_start',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    expect(events[0]).toMatchObject({ message: { usage: { input_tokens: 30, cache_read_input_tokens: 20 } } });
    expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 12 } });
    expect(types.filter((type) => type === 'content_block_delta')).toHaveLength(12);
    expect(await simulator.record('streamed')).toMatchObject({ usageSent: true, completionTokens: 12 });
  });

  it("accumulates in the SDK's own stream to the same message", async () => {
    const whole = await anthropic.messages.create(asked);
    const streamed = await anthropic.messages.stream(asked).finalMessage();
    expect(streamed.content).toEqual(whole.content);
    expect(streamed.usage).toMatchObject({ input_tokens: 30, output_tokens: 12 });
  });

  it('counts thinking as output without text', async () => {
    const body = { ...asked, x_sim: { ...SIM, reasoningTokens: 4 } };
    const message = await anthropic.messages.create(body, { headers: { 'x-request-id': 'thought' } });
    expect(message.usage.output_tokens).toBe(12);
    expect(message.content[0]?.type === 'text' && message.content[0].text.trim().split(' ').length).toBe(8);
    expect((await simulator.record('thought')).quantities).toMatchObject({ output: 12 });
  });
});

describe('tokens', () => {
  it('are counted without a record', async () => {
    const { x_sim: _, max_tokens: __, ...body } = asked;
    expect(await anthropic.messages.countTokens(body)).toEqual({ input_tokens: 12 });
    const stats = (await (await fetch(`${simulator.url}/stats`)).json()) as { promptTokens: number };
    await anthropic.messages.countTokens(body);
    expect(await (await fetch(`${simulator.url}/stats`)).json()).toEqual(stats);
  });
});

describe("errors in Anthropic's shape", () => {
  const failureOf = (body: object) => anthropic.messages.create({ ...asked, ...body } as typeof asked).catch((err) => err);

  it.each([
    [{ max_tokens: undefined }, BadRequestError, 'invalid_request_error'],
    [{ messages: [] }, BadRequestError, 'invalid_request_error'],
    [{ x_sim: { fault: 'status', status: 429, retryAfterMs: 10 } }, RateLimitError, 'rate_limit_error'],
    [{ x_sim: { fault: 'status', status: 529 } }, APIError, 'overloaded_error'],
  ])('%j', async (body, kind, type) => {
    const failure = await failureOf(body);
    expect(failure).toBeInstanceOf(kind);
    expect(failure.error).toMatchObject({ type: 'error', error: { type } });
  });

  it('say that a version is missing; credentials are not looked at', async () => {
    const unversioned = await simulator.post('/v1/messages', asked, {});
    expect(unversioned.status).toBe(400);
    expect(await unversioned.json()).toMatchObject({ error: { message: 'anthropic-version: header is required' } });
    expect((await simulator.post('/v1/messages', asked, { 'anthropic-version': '2023-06-01' })).status).toBe(200);
  });
});
