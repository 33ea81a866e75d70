import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import OpenAI, { BadRequestError } from 'openai';
import type { Response, ResponseStreamEvent } from 'openai/resources/responses/responses';
import { SimulatorFixture } from '../../test/simulator-fixture.js';

let simulator: SimulatorFixture;
let openai: OpenAI;

beforeAll(async () => {
  simulator = await SimulatorFixture.start();
  openai = new OpenAI({ apiKey: 'unused', baseURL: `${simulator.url}/v1`, maxRetries: 0 });
});
afterAll(() => simulator.stop());

const SIM = { promptTokens: 40, cachedTokens: 16, completionTokens: 12, reasoningTokens: 4 };
const asked = { model: 'gpt-5', input: 'Who pays for this, and when, and how much of it?', x_sim: SIM };

async function events(body: object, requestId = 'streamed'): Promise<ResponseStreamEvent[]> {
  const request = { ...asked, ...body, stream: true as const };
  const stream = await openai.responses.create(request, { headers: { 'x-request-id': requestId } });
  const all: ResponseStreamEvent[] = [];
  for await (const event of stream) all.push(event);
  return all;
}

describe('a response', () => {
  it("is what OpenAI's SDK reads, with the usage asked for", async () => {
    const response = await openai.responses.create(asked, { headers: { 'x-request-id': 'whole' } });
    expect(response).toMatchObject({ object: 'response', status: 'completed', model: 'gpt-5', incomplete_details: null });
    expect(response.output.map(({ type }) => type)).toEqual(['reasoning', 'message']);
    expect(response.output_text.trim().split(' ')).toHaveLength(8);
    expect(response.usage).toMatchObject({
      input_tokens: 40,
      input_tokens_details: { cached_tokens: 16 },
      output_tokens: 12,
      output_tokens_details: { reasoning_tokens: 4 },
      total_tokens: 52,
    });
    expect(await simulator.record('whole')).toMatchObject({
      endpoint: 'responses',
      quantities: { input: 24, input_cache_read: 16, output: 8, output_reasoning: 4 },
    });
  });

  it('is incomplete at max_output_tokens', async () => {
    const response = await openai.responses.create({ ...asked, max_output_tokens: 7 });
    expect(response).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
    expect(response.usage?.output_tokens).toBe(7);
  });

  it('reads the text of items and parts alike', async () => {
    const text = await openai.responses.create({ model: 'm', input: 'twelve bytes' });
    const content = [{ type: 'input_text' as const, text: 'twelve bytes' }];
    const items = await openai.responses.create({ model: 'm', input: [{ role: 'user', content }] });
    expect(items.usage).toEqual(text.usage);
    expect(items.output_text).toBe(text.output_text);
  });

  it('without input is refused', async () => {
    const failure = await openai.responses.create({ model: 'm' }).catch((err: unknown) => err);
    expect(failure).toBeInstanceOf(BadRequestError);
    expect(failure).toMatchObject({ param: 'input' });
  });
});

describe('a streamed response', () => {
  it('comes as the events of the protocol, numbered, and says what the whole one says', async () => {
    const whole = await openai.responses.create(asked);
    const all = await events({});
    expect(all.map(({ sequence_number }) => sequence_number)).toEqual(all.map((_, index) => index));
    const types = all.map(({ type }) => type);
    expect(types.filter((type) => type !== 'response.output_text.delta')).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.output_item.done',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    const deltas = all.map((event) => (event.type === 'response.output_text.delta' ? event.delta : ''));
    expect(deltas.join('')).toBe(whole.output_text);
    const last = all.at(-1) as { response: Response };
    expect(last.response).toMatchObject({ status: 'completed', usage: whole.usage });
    expect(await simulator.record('streamed')).toMatchObject({ stream: true, usageSent: true, completionTokens: 12 });
  });

  it('ends with response.incomplete at max_output_tokens', async () => {
    const all = await events({ max_output_tokens: 5 });
    expect(all.at(-1)).toMatchObject({ type: 'response.incomplete', response: { usage: { output_tokens: 5 } } });
  });

  it('that is cut ends without a last event, and is recorded as it was', async () => {
    await expect(events({ x_sim: { ...SIM, fault: 'cut', afterChunks: 2 } }, 'cut')).rejects.toThrow();
    expect(await simulator.record('cut')).toMatchObject({
      outcome: 'cut',
      usageSent: false,
      quantities: { output: 2, output_reasoning: 4 },
    });
  });
});
