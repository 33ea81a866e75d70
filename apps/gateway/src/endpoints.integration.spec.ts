import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Endpoint } from '@tensorloop/contracts/endpoint';
import { readOracleFile } from '@tensorloop/testing/oracle-file';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture, type TestKey, testModel } from '../test/gateway-fixture.js';

const START_TIMEOUT_MS = 30_000;
/** The fixture's prices: 0.15 and 0.60 USD per million are 150 and 600 nano-USD a token. */
const INPUT_NANO_USD = 150n;

let fixture: GatewayFixture;
let key: TestKey;

beforeAll(async () => {
  const serving = (id: string, endpoints: Endpoint[]) => (upstreamUrl: string) => testModel(id, upstreamUrl, { endpoints });
  const models = [serving('embedder', ['embeddings']), serving('ranker', ['rerank'])];
  fixture = await GatewayFixture.start({ models: (upstreamUrl) => models.map((model) => model(upstreamUrl)) });
  key = await fixture.addKey({ models: ['*'], rpm: 100_000 });
}, START_TIMEOUT_MS);

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
