import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture } from '../../test/gateway-fixture.js';
import { UPSTREAM_SECRET } from '../../test/gateway-processes.js';
import type { TestKey } from '../../test/test-keys.js';
import { testModel } from '../../test/test-models.js';
import { CONSECUTIVE_FAILURES_MAX } from '../routing/circuit-breaker.rules.js';

/** Prices of claude-haiku-4-5; nano-USD a token are a thousand times that. */
const RATES = { input: '1.00', input_cache_read: '0.10', input_cache_write: '1.25', output: '5.00' };
const MODEL = 'claude-test';

let fixture: GatewayFixture;
let key: TestKey;
let canned: { status: number; type: string; body: string };
let received: { headers: NodeJS.Dict<string | string[]>; url: string; body: string };
let cannedServer: Server;

async function startCanned(): Promise<string> {
  cannedServer = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += chunk;
    received = { headers: req.headers, url: req.url ?? '', body };
    res.writeHead(canned.status, { 'content-type': canned.type }).end(canned.body);
  });
  cannedServer.listen(0, '127.0.0.1');
  await once(cannedServer, 'listening');
  return `http://127.0.0.1:${(cannedServer.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  const cannedUrl = await startCanned();
  const serving = (id: string, url: string) =>
    testModel(id, url, { endpoints: ['messages'], deployment: { provider: 'anthropic', upstreamModel: `${id}-dated` } });
  fixture = await GatewayFixture.start({
    models: (upstreamUrl) => [
      serving(MODEL, upstreamUrl),
      serving('canned', cannedUrl),
      serving('failing', cannedUrl),
      serving('gone', 'http://127.0.0.1:1'),
    ],
    rates: { [MODEL]: RATES, canned: RATES },
  });
  key = await fixture.addKey({ models: ['*'], rpm: 100_000 });
});

afterAll(async () => {
  cannedServer?.close();
  await fixture?.stop();
});

interface Sent {
  path?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

function send(body: object, { path = '/messages', headers, signal }: Sent = {}, caller: TestKey = key): Promise<Response> {
  return fixture.post(path, caller, {
    headers: { 'x-api-key': caller.text, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: MODEL, max_tokens: 200, messages: [{ role: 'user', content: 'hello there' }], ...body }),
    ...(signal && { signal }),
  });
}

function idOf(response: Response): string {
  const requestId = response.headers.get('x-request-id') as string;
  expect(response.headers.get('request-id')).toBe(requestId);
  return requestId;
}

async function expectNothingHeld(): Promise<void> {
  const { accountTag } = key.projection;
  await waitUntil(async () => (await fixture.view.listOpen(accountTag)).every((entry) => entry.state === 'settled'), {
    what: 'every hold to be settled',
  });
}

const SIM = { promptTokens: 60, cachedTokens: 20, cacheWriteTokens: 10, completionTokens: 12 };
const USAGE = { input: 30, input_cache_read: 20, input_cache_write: 10, output: 12 };
/** 30 × 1,000 + 20 × 100 + 10 × 1,250 + 12 × 5,000. */
const CHARGE = '104500';

describe('a message', () => {
  it('is charged with caches counted beside the input, to the nano-dollar', async () => {
    const response = await send({ x_sim: SIM });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ type: 'message', usage: { input_tokens: 30, output_tokens: 12 } });
    const event = await fixture.eventOf(idOf(response));
    expect(event).toMatchObject({
      endpoint: 'messages',
      outcome: 'completed',
      usage: USAGE,
      chargeNanoUsd: CHARGE,
      overrunNanoUsd: '0',
      estimated: false,
      stream: false,
    });
    expect(event.attempts).toMatchObject([{ provider: 'anthropic', status: 200 }]);
    await expectNothingHeld();
  });

  it('streamed is charged the same, and ends in message_stop', async () => {
    const response = await send({ stream: true, x_sim: SIM });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const text = await response.text();
    expect(text).toMatch(/^event: message_start\n/);
    expect(text).toMatch(/event: message_stop\ndata: \{"type":"message_stop"\}\n\n$/);
    expect(await fixture.eventOf(idOf(response))).toMatchObject({ stream: true, usage: USAGE, chargeNanoUsd: CHARGE });
  });

  it('is held for as if every token were written to the cache, and no output is ever clamped', async () => {
    const body = { max_tokens: 100, x_sim: { promptTokens: 1, completionTokens: 1 } };
    const response = await send(body);
    const { holdNanoUsd } = await fixture.eventOf(idOf(response));
    const bytes = Buffer.byteLength(
      JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'hello there' }], ...body }),
    );
    // Tokens at most: bytes, 8 of the template and 8 of the message; each at 1,250 nano-USD. Three rates may each round up.
    expect(holdNanoUsd).toBe((BigInt(bytes + 16) * 1_250n + 100n * 5_000n + 1n).toString());
    const poor = await fixture.addKey({ models: ['*'], budgetNanoUsd: '500000' });
    const refused = await send(body, {}, poor);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect(await refused.json()).toMatchObject({
      type: 'error',
      error: { type: 'billing_error', details: { error_code: 'insufficient_quota' } },
      request_id: refused.headers.get('request-id'),
    });
  });

  it('without usage is counted here and flagged', async () => {
    for (const stream of [false, true]) {
      const response = await send({ stream, x_sim: { fault: 'no_usage', completionTokens: 40 } });
      await response.text();
      const event = await fixture.eventOf(idOf(response));
      expect(event).toMatchObject({ outcome: 'completed', estimated: true });
      expect(event.usage.output).toBeGreaterThan(20);
      expect(event.usage.output).toBeLessThan(120);
      expect(event.usage.input).toBeGreaterThan(2);
    }
  });

  it('whose client leaves is read to its end and charged in full (TL-9)', async () => {
    const abort = new AbortController();
    const response = await send({ stream: true, x_sim: { ...SIM, chunkMs: 10 } }, { signal: abort.signal });
    await response.body?.getReader().read();
    abort.abort();
    const event = await fixture.eventOf(idOf(response));
    expect(event).toMatchObject({ outcome: 'client_aborted', usage: USAGE, chargeNanoUsd: CHARGE, estimated: false });
    await expectNothingHeld();
  });

  it('that breaks off ends in an error event and costs nothing', async () => {
    const response = await send({ stream: true, x_sim: { fault: 'cut', completionTokens: 50 } });
    const text = await response.text();
    expect(text).toMatch(/event: error\ndata: \{"type":"error","error":\{"type":"api_error",[^\n]+\}\n\n$/);
    expect(text).not.toContain('message_stop');
    expect(await fixture.eventOf(idOf(response))).toMatchObject({ outcome: 'upstream_cut', chargeNanoUsd: '0' });
    await expectNothingHeld();
  });

  it('that keeps its client waiting is kept alive by pings (TL-16)', async () => {
    const response = await send({ stream: true, x_sim: { completionTokens: 3, latencyMs: 10_800 } });
    expect(await response.text()).toMatch(/^event: ping\ndata: \{"type": "ping"\}\n\nevent: message_start/);
  });
});

describe('what reaches the provider', () => {
  const answer = { type: 'message', content: [], usage: { input_tokens: 1, output_tokens: 1 } };

  it('is the body as it came under its own model name, our credential, and every anthropic- header but those that choose who pays', async () => {
    canned = { status: 200, type: 'application/json', body: JSON.stringify(answer) };
    const headers = {
      'anthropic-version': '2024-01-01',
      'anthropic-beta': 'interleaved-thinking-2025-05-14',
      'anthropic-dangerous-direct-browser-access': 'true',
      'anthropic-unheard-of': 'a value; of=its "own"',
      'anthropic-user-profile-id': 'somebody-else',
      'anthropic-workspace-id': 'another-purse',
    };
    const response = await send({ model: 'canned', metadata: { user_id: 'u' }, unheard_of: [1.5] }, { headers });
    expect(await response.json()).toEqual(answer);
    expect(received.url).toBe('/v1/messages');
    expect(JSON.parse(received.body)).toMatchObject({ model: 'canned-dated', metadata: { user_id: 'u' }, unheard_of: [1.5] });
    expect(received.headers).toMatchObject({
      'x-api-key': UPSTREAM_SECRET,
      'anthropic-version': '2024-01-01',
      'anthropic-beta': 'interleaved-thinking-2025-05-14',
      'anthropic-dangerous-direct-browser-access': 'true',
      'anthropic-unheard-of': 'a value; of=its "own"',
      'x-request-id': idOf(response),
    });
    expect(received.headers['anthropic-user-profile-id']).toBeUndefined();
    expect(received.headers['anthropic-workspace-id']).toBeUndefined();
    expect(received.headers.authorization).toBeUndefined();
    expect(JSON.stringify(received)).not.toContain(key.text);
  });

  it('names a version when the client names none, and a bearer opens the same door', async () => {
    canned = { status: 200, type: 'application/json', body: JSON.stringify(answer) };
    const response = await send({ model: 'canned' }, { headers: { 'x-api-key': '', authorization: `Bearer ${key.text}` } });
    expect(response.status).toBe(200);
    expect(received.headers['anthropic-version']).toBe('2023-06-01');
  });

  it('comes back as the provider said it, without its secrets, and costs nothing', async () => {
    const error = { type: 'overloaded_error', message: `Overloaded ${UPSTREAM_SECRET}` };
    canned = { status: 529, type: 'application/json', body: JSON.stringify({ type: 'error', error }) };
    const response = await send({ model: 'canned' });
    expect(response.status).toBe(529);
    const body = await response.json();
    expect(body).toMatchObject({ type: 'error', error: { type: 'overloaded_error' } });
    expect(JSON.stringify(body)).not.toContain(UPSTREAM_SECRET);
    expect(await fixture.eventOf(idOf(response))).toMatchObject({ outcome: 'upstream_error', chargeNanoUsd: '0' });
  });
});

interface RefusedCall {
  body?: object;
  headers?: Record<string, string>;
  expected: { status: number; type: string };
}

describe('refusals in Anthropic’s shape', () => {
  const invalid = { status: 400, type: 'invalid_request_error' };
  const unknownKey = { status: 401, type: 'authentication_error' };

  it.each([
    ['no max_tokens', { body: { max_tokens: undefined }, expected: invalid }],
    ['a model of another format', { body: { model: 'gpt-4o-mini' }, expected: invalid }],
    ['an unknown model', { body: { model: 'nobody' }, expected: { status: 403, type: 'permission_error' } }],
    ['a beta with its own prices', { headers: { 'anthropic-beta': 'context-1m-2025-08-07' }, expected: invalid }],
    ['a malformed header', { headers: { 'anthropic-version': '2023"06' }, expected: invalid }],
    ['a long header', { headers: { 'anthropic-x': 'y'.repeat(1_025) }, expected: invalid }],
    ['a key cut short', { headers: { 'x-api-key': 'tl_short' }, expected: unknownKey }],
    ['no key', { headers: { 'x-api-key': '' }, expected: unknownKey }],
  ])('%s', async (_, { body, headers, expected }: RefusedCall) => {
    const response = await send(body ?? {}, headers === undefined ? {} : { headers });
    expect(response.status).toBe(expected.status);
    expect(await response.json()).toEqual({
      type: 'error',
      error: { type: expected.type, message: expect.any(String), details: { error_code: expect.any(String) } },
      request_id: idOf(response),
    });
  });

  it('a method that the address does not take', async () => {
    const response = await fetch(`${fixture.url}/v1/messages`);
    expect(response.status).toBe(405);
    expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
  });

  it('a base URL with /v1 where the client adds its own', async () => {
    const response = await fetch(`${fixture.url}/v1/v1/messages`, { method: 'POST' });
    expect(response.status).toBe(404);
    expect(JSON.stringify(await response.json())).toContain('add /v1 themselves');
  });
});

describe('counting tokens', () => {
  const COUNT = { path: '/messages/count_tokens' };

  it('is the provider’s own count, and free', async () => {
    const limited = await fixture.addKey({ models: ['*'], rpm: 1, budgetNanoUsd: '1' });
    for (let round = 0; round < 3; round++) {
      const response = await send({ max_tokens: undefined }, COUNT, limited);
      expect(response.status).toBe(200);
      expect(response.headers.get('x-tensorloop-upper-bound')).toBeNull();
      expect(await response.json()).toEqual({ input_tokens: expect.any(Number) });
      idOf(response);
    }
    expect(await fixture.view.listOpen(limited.projection.accountTag)).toEqual([]);
  });

  it.each([
    ['cannot be reached', 'gone', 200],
    ['cannot count', 'canned', 404],
    ['answers nonsense', 'canned', 200],
  ])('of a provider that %s is the bound that a call is held for', async (_, model, status) => {
    canned = { status, type: 'application/json', body: '{"input_tokens":"many"}' };
    const response = await send({ model }, COUNT);
    expect(response.status).toBe(200);
    expect(response.headers.get('x-tensorloop-upper-bound')).toBe('true');
    const body = JSON.stringify({ model, max_tokens: 200, messages: [{ role: 'user', content: 'hello there' }] });
    expect(await response.json()).toEqual({ input_tokens: body.length + 16 });
  });

  it('passes on what the provider says about the request', async () => {
    canned = { status: 400, type: 'application/json', body: '{"error":{"type":"invalid_request_error","message":"too odd"}}' };
    const response = await send({ model: 'canned' }, COUNT);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error', message: 'too odd' } });
  });

  it('leaves a provider alone whose circuit is open, as every call does', async () => {
    canned = { status: 500, type: 'application/json', body: '{}' };
    for (let round = 0; round < CONSECUTIVE_FAILURES_MAX; round++) await (await send({ model: 'failing' })).text();
    received = { headers: {}, url: 'none', body: '' };
    const response = await send({ model: 'failing' }, COUNT);
    expect(response.headers.get('x-tensorloop-upper-bound')).toBe('true');
    expect(received.url).toBe('none');
  });

  it('needs a key that may use the model', async () => {
    expect((await send({}, { ...COUNT, headers: { 'x-api-key': 'tl_short' } })).status).toBe(401);
    const other = await fixture.addKey({ models: ['gpt-4o-mini'] });
    expect((await send({}, COUNT, other)).status).toBe(403);
    const revoked = await fixture.addKey({ models: ['*'] });
    await fixture.project(revoked, { isRevoked: true });
    expect((await send({}, COUNT, revoked)).status).toBe(401);
  });
});
