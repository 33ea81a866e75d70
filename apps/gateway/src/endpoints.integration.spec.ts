import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Endpoint } from '@tensorloop/contracts/endpoint';
import { readOracleFile } from '@tensorloop/testing/oracle-file';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture } from '../test/gateway-fixture.js';
import type { TestKey } from '../test/test-keys.js';
import { testModel } from '../test/test-models.js';

/** The fixture's prices: 0.15 and 0.60 USD per million are 150 and 600 nano-USD a token. */
const INPUT_NANO_USD = 150n;
const OUTPUT_NANO_USD = 600n;

let fixture: GatewayFixture;
let key: TestKey;

beforeAll(async () => {
  const serving = (id: string, endpoints: Endpoint[]) => (upstreamUrl: string) => testModel(id, upstreamUrl, { endpoints });
  const models = [
    serving('embedder', ['embeddings']),
    serving('ranker', ['rerank']),
    serving('writer', ['responses', 'completions']),
    serving('judge', ['moderations']),
    serving('unpriced', ['moderations', 'embeddings']),
  ];
  fixture = await GatewayFixture.start({
    models: (upstreamUrl) => models.map((model) => model(upstreamUrl)),
    rates: { judge: { input: '0' }, unpriced: {} },
  });
  key = await fixture.addKey({ models: ['*'], rpm: 100_000 });
});

afterAll(async () => {
  await fixture?.stop();
});

async function expectNothingHeld(): Promise<void> {
  const { accountTag } = key.projection;
  await waitUntil(async () => (await fixture.view.listOpen(accountTag)).every((entry) => entry.state === 'settled'), {
    what: 'every hold to be settled',
  });
}

function post(path: string, caller: TestKey, body: object): Promise<Response> {
  return fixture.post(path, caller, { body: JSON.stringify(body) });
}

/** What the provider itself wrote down about a call. */
async function servedAs(requestId: string) {
  return (await readOracleFile(fixture.oracleFile)).find((record) => record.gatewayRequestId === requestId);
}

const READERS = [
  ['embeddings', '/embeddings', { model: 'embedder', input: ['hello there', 'and here'] }],
  ['rerank', '/rerank', { model: 'ranker', query: 'hello', documents: ['hello there', 'and here'] }],
] as const;

describe.each(READERS)('%s', (endpoint, path, body) => {
  it('are charged exactly what the provider read, and recorded as what they are', async () => {
    const response = await post(path, key, body);
    expect(response.status).toBe(200);
    expect(response.headers.get('x-ratelimit-limit-requests')).toBe('100000');
    const requestId = response.headers.get('x-request-id') as string;
    await response.json();
    const event = await fixture.eventOf(requestId);
    const served = await servedAs(requestId);
    expect(event).toMatchObject({ endpoint, model: body.model, outcome: 'completed', estimated: false, stream: false });
    expect(event.usage).toEqual({ input: served?.promptTokens });
    expect(event.chargeNanoUsd).toBe((BigInt(served?.promptTokens ?? 0) * INPUT_NANO_USD).toString());
    expect(BigInt(event.holdNanoUsd)).toBeGreaterThanOrEqual(BigInt(event.chargeNanoUsd));
    expect(served).toMatchObject({ endpoint, outcome: 'completed' });
    await expectNothingHeld();
  });

  it('without reported usage are counted here and flagged', async () => {
    const response = await post(path, key, { ...body, x_sim: { fault: 'no_usage' } });
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ outcome: 'completed', estimated: true });
    expect(event.usage.input).toBeGreaterThan(2);
    expect(event.usage.output).toBeUndefined();
  });

  it('that fail upstream cost nothing', async () => {
    const response = await post(path, key, { ...body, x_sim: { fault: 'status', status: 418 } });
    expect(response.status).toBe(418);
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ outcome: 'upstream_error', chargeNanoUsd: '0', usage: {} });
    await expectNothingHeld();
  });

  it('asked of a model for something else are refused by name', async () => {
    const response = await post(path, key, { ...body, model: 'gpt-4o-mini' });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param: 'model', code: 'invalid_value' } });
  });

  it('that do not fit the rest of a budget are refused before anyone is asked', async () => {
    const poor = await fixture.addKey({ models: ['*'], budgetNanoUsd: '1' });
    const response = await post(path, poor, body);
    expect(response.status).toBe(429);
    expect(await response.json()).toMatchObject({ error: { type: 'budget_exceeded', code: 'insufficient_quota' } });
  });
});

const WRITERS = [
  ['responses', '/responses', { model: 'writer', input: 'hello there' }],
  ['completions', '/completions', { model: 'writer', prompt: ['hello there', 'and here'], n: 2 }],
] as const;

describe.each(WRITERS)('%s', (endpoint, path, body) => {
  it.each([false, true])('are charged exactly what the provider served (streamed: %s)', async (stream) => {
    const response = await post(path, key, { ...body, stream, x_sim: { promptTokens: 20, completionTokens: 9 } });
    expect(response.status).toBe(200);
    const requestId = response.headers.get('x-request-id') as string;
    await response.text();
    const event = await fixture.eventOf(requestId);
    const served = await servedAs(requestId);
    const [input, output] = [served?.promptTokens ?? 0, served?.completionTokens ?? 0];
    expect(event).toMatchObject({ endpoint, model: 'writer', outcome: 'completed', estimated: false, stream });
    expect(event.usage).toEqual({ input, output });
    expect(event.chargeNanoUsd).toBe((BigInt(input) * INPUT_NANO_USD + BigInt(output) * OUTPUT_NANO_USD).toString());
    expect(event.overrunNanoUsd).toBe('0');
    await expectNothingHeld();
  });

  it.each([false, true])('without reported usage are counted here and flagged (streamed: %s)', async (stream) => {
    const response = await post(path, key, { ...body, stream, x_sim: { fault: 'no_usage', completionTokens: 15 } });
    await response.text();
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ outcome: 'completed', estimated: true });
    expect(event.usage.output).toBeGreaterThan(5);
    expect(BigInt(event.chargeNanoUsd)).toBeLessThanOrEqual(BigInt(event.holdNanoUsd));
  });

  it('that break off inside a stream end in an error event and cost nothing', async () => {
    const response = await post(path, key, { ...body, stream: true, x_sim: { fault: 'cut', completionTokens: 15 } });
    const text = await response.text();
    expect(text).toContain('"code":"upstream_cut"');
    expect(text.endsWith('\n\n')).toBe(true);
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ outcome: 'upstream_cut', chargeNanoUsd: '0' });
    await expectNothingHeld();
  });

  it('are clamped to what the rest of a budget pays for, and told so', async () => {
    const poor = await fixture.addKey({ models: ['*'], budgetNanoUsd: '300000' });
    const response = await post(path, poor, { ...body, x_sim: { promptTokens: 3, completionTokens: 16_000 } });
    expect(response.status).toBe(200);
    const clamped = Number(response.headers.get('x-tensorloop-max-tokens-clamped'));
    expect(clamped).toBeGreaterThanOrEqual(16);
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ outcome: 'completed', overrunNanoUsd: '0' });
    expect(BigInt(event.holdNanoUsd)).toBeLessThanOrEqual(300_000n);
    expect(BigInt(event.chargeNanoUsd)).toBeLessThanOrEqual(BigInt(event.holdNanoUsd));
  });
});

describe('a stream of the Responses API', () => {
  it('reaches the client event for event, the last one included', async () => {
    const body = { model: 'writer', input: 'hello there', stream: true, x_sim: { completionTokens: 4, reasoningTokens: 2 } };
    const text = await (await post('/responses', key, body)).text();
    const types = [...text.matchAll(/^event: (.*)$/gm)].map(([, type]) => type);
    expect(types[0]).toBe('response.created');
    expect(types.at(-1)).toBe('response.completed');
    expect(text).toContain('"usage":{"input_tokens"');
    expect(text).not.toContain('[DONE]');
  });
});

describe('moderations', () => {
  it('are free where the price book says so, and recorded all the same', async () => {
    const response = await post('/moderations', key, { model: 'judge', input: ['hello', 'violence'] });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ results: [{ flagged: false }, { flagged: true }] });
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ endpoint: 'moderations', outcome: 'completed', chargeNanoUsd: '0', holdNanoUsd: '0' });
    await expectNothingHeld();
  });

  it('of images are refused by the name of the field where the model takes none', async () => {
    const input = [{ type: 'image_url', image_url: { url: 'https://example.test/a.png' } }];
    const response = await post('/moderations', key, { model: 'judge', input });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param: 'input', code: 'unsupported_content' } });
  });

  it.each(['/moderations', '/embeddings'])('%s of a model without a price are refused and never free', async (path) => {
    const response = await post(path, key, { model: 'unpriced', input: 'hello' });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { code: 'model_not_priced' } });
  });
});
