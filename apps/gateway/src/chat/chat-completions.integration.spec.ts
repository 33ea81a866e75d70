import { once } from 'node:events';
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isUuid7 } from '@tensorloop/kernel/uuid7';
import { readOracleFile } from '@tensorloop/testing/oracle-file';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture } from '../../test/gateway-fixture.js';
import { UPSTREAM_SECRET } from '../../test/gateway-processes.js';
import { PEPPER, type TestKey } from '../../test/test-keys.js';
import { testModel } from '../../test/test-models.js';
import { TEXT_BYTES_MAX } from '../proxy/buffered-answer.js';

/** The simulator's price: 0.15 and 0.60 USD per million are 150 and 600 nano-USD a token. */
const INPUT_NANO_USD = 150n;
const OUTPUT_NANO_USD = 600n;

let fixture: GatewayFixture;
let key: TestKey;
/** Answers with exactly the bytes of `canned`, in the pieces given, and remembers what it was sent. */
let canned: { pieces: (string | Buffer)[]; headers: Record<string, string>; status: number };
let received: { headers: NodeJS.Dict<string | string[]>; body: string };
let cannedServer: Server;

async function startCanned(): Promise<string> {
  cannedServer = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += chunk;
    received = { headers: req.headers, body };
    res.writeHead(canned.status, canned.headers);
    for (const piece of canned.pieces) await new Promise<void>((resolve) => res.write(piece, () => setImmediate(resolve)));
    res.end();
  });
  cannedServer.listen(0, '127.0.0.1');
  await once(cannedServer, 'listening');
  return `http://127.0.0.1:${(cannedServer.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  const cannedUrl = await startCanned();
  fixture = await GatewayFixture.start({
    models: (upstreamUrl) => [
      testModel('canned', cannedUrl, { deployment: { upstreamModel: 'canned-upstream' } }),
      testModel('unreachable', 'http://127.0.0.1:1'),
      testModel('fallback', upstreamUrl, {
        deployments: [
          ...testModel('x', 'http://127.0.0.1:1').deployments,
          ...testModel('x', upstreamUrl, { deployment: { id: 'x-2', priority: 1 } }).deployments,
        ],
      }),
      testModel('impatient', upstreamUrl, { deployment: { headTimeoutMs: 300, idleTimeoutMs: 300 } }),
    ],
  });
  key = await fixture.addKey({ models: ['*'], rpm: 100_000 });
});

afterAll(async () => {
  cannedServer?.close();
  await fixture?.stop();
});

function priceOf(usage: { input?: number | undefined; output?: number | undefined }): string {
  return (BigInt(usage.input ?? 0) * INPUT_NANO_USD + BigInt(usage.output ?? 0) * OUTPUT_NANO_USD).toString();
}

async function expectNothingHeld(account: TestKey = key): Promise<void> {
  const { accountTag } = account.projection;
  await waitUntil(async () => (await fixture.view.listOpen(accountTag)).every((entry) => entry.state === 'settled'), {
    what: 'every hold to be settled',
  });
}

describe('a whole answer', () => {
  it('comes with a request id of ours, is priced exactly and published', async () => {
    const response = await fixture.chat(
      key,
      { x_sim: { promptTokens: 40, completionTokens: 25 } },
      { headers: { authorization: `Bearer ${key.text}`, 'content-type': 'application/json', 'x-request-id': 'mine' } },
    );
    expect(response.status).toBe(200);
    const requestId = response.headers.get('x-request-id') as string;
    expect(isUuid7(requestId)).toBe(true);
    expect(await response.json()).toMatchObject({
      object: 'chat.completion',
      usage: { prompt_tokens: 40, completion_tokens: 25 },
    });
    const event = await fixture.eventOf(requestId);
    expect(event).toMatchObject({
      outcome: 'completed',
      usage: { input: 40, output: 25 },
      estimated: false,
      stream: false,
      httpStatus: 200,
      overrunNanoUsd: '0',
    });
    expect(event.chargeNanoUsd).toBe(priceOf({ input: 40, output: 25 }));
    expect(event.attempts).toMatchObject([{ provider: 'openai', status: 200, failure: null }]);
    await expectNothingHeld();
  });

  it.each([{ bytes: 600 }, { bytes: TEXT_BYTES_MAX }, { bytes: TEXT_BYTES_MAX + 1 }])(
    'of $bytes bytes, of all that a text of JSON can have and some that no UTF-8 has, passes as it is',
    async ({ bytes }) => {
      const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
      const [before, after] = JSON.stringify({ choices: [{ message: { content: '|' } }], usage }).split('|') as [
        string,
        string,
      ];
      const anyByte = Buffer.from(Array.from({ length: 224 }, (_, index) => index + 32)).filter(
        (byte) => !'"\\'.includes(String.fromCharCode(byte)),
      );
      const padding = ' '.repeat(bytes - before.length - anyByte.length - after.length);
      const body = Buffer.concat([Buffer.from(before), anyByte, Buffer.from(after + padding)]);
      canned = { status: 200, headers: { 'content-type': 'application/json' }, pieces: [body] };
      const response = await fixture.chat(key, { model: 'canned' });
      expect(response.headers.get('content-length')).toBe(String(bytes));
      expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
    },
  );

  it('carries limits and what is left of them', async () => {
    const limited = await fixture.addKey({ rpm: 30, budgetNanoUsd: '5000000000' });
    const response = await fixture.chat(limited, {});
    const headers = Object.fromEntries(response.headers);
    expect(headers).toMatchObject({
      'x-ratelimit-limit-requests': '30',
      'x-ratelimit-remaining-requests': '29',
      'x-ratelimit-reset-requests': '1m0s',
      'x-tensorloop-budget-limit-usd': '5.00',
      'x-tensorloop-budget-spent-usd': '0.00',
    });
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  it('goes to the next deployment while nothing has been sent to any', async () => {
    const response = await fixture.chat(key, { model: 'fallback' });
    expect(response.status).toBe(200);
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(event.attempts).toMatchObject([
      { status: null, failure: 'connect_refused' },
      { status: 200, failure: null },
    ]);
  });

  it('without usage is counted here and flagged', async () => {
    const response = await fixture.chat(key, { x_sim: { fault: 'no_usage', completionTokens: 30 } });
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ outcome: 'completed', estimated: true });
    expect(event.usage.output).toBeGreaterThan(10);
    expect(event.usage.output).toBeLessThan(90);
  });

  it('above its hold is charged the hold, the rest is our overrun', async () => {
    const response = await fixture.chat(key, {
      max_tokens: 5,
      x_sim: { fault: 'ignore_max_tokens', promptTokens: 3, completionTokens: 500 },
    });
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(event.chargeNanoUsd).toBe(event.holdNanoUsd);
    expect(BigInt(event.chargeNanoUsd) + BigInt(event.overrunNanoUsd)).toBe(BigInt(priceOf({ input: 3, output: 500 })));
  });
});

describe('a stream', () => {
  const piece = (content: string) =>
    `data: {"id":"c","choices":[{"index":0,"delta":{"content":${JSON.stringify(content)}}}],"usage":null}\n\n`;
  const usage = 'data: {"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}\n\n';

  it('passes through byte for byte, its usage event stripped when nobody asked for it', async () => {
    const text = [': hello\n\n', piece('"usage":{"prompt_tokens":1}'), piece('data: [DONE]'), usage, 'data: [DONE]\n\n'].join(
      '',
    );
    const pieces = text.match(/[\s\S]{1,7}/g) as string[];
    canned = { status: 200, headers: { 'content-type': 'text/event-stream' }, pieces };
    const response = await fixture.chat(key, { model: 'canned', stream: true });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(await response.text()).toBe(text.replace(usage, ''));
    expect(await fixture.eventOf(response.headers.get('x-request-id'))).toMatchObject({
      usage: { input: 7, output: 2 },
      estimated: false,
      stream: true,
    });
  });

  it('passes the usage event to a client that asked for it', async () => {
    canned = { status: 200, headers: { 'content-type': 'text/event-stream' }, pieces: [piece('a'), usage, 'data: [DONE]\n\n'] };
    const response = await fixture.chat(key, { model: 'canned', stream: true, stream_options: { include_usage: true } });
    expect(await response.text()).toBe(`${piece('a')}${usage}data: [DONE]\n\n`);
  });

  it("is asked for with usage, under the upstream's model name, with our request id and credential and without theirs", async () => {
    canned = { status: 200, headers: { 'content-type': 'text/event-stream' }, pieces: [usage, 'data: [DONE]\n\n'] };
    const response = await fixture.chat(key, { model: 'canned', stream: true, my_own_field: { kept: [1, 2.5] } });
    await response.text();
    expect(JSON.parse(received.body)).toMatchObject({
      model: 'canned-upstream',
      stream_options: { include_usage: true },
      my_own_field: { kept: [1, 2.5] },
    });
    expect(received.headers).toMatchObject({
      authorization: `Bearer ${UPSTREAM_SECRET}`,
      'x-request-id': response.headers.get('x-request-id'),
    });
    expect(received.body).not.toContain(key.text);
  });

  it('that reports no usage is counted from its text', async () => {
    const response = await fixture.chat(key, { stream: true, x_sim: { fault: 'no_usage', completionTokens: 40 } });
    expect(await response.text()).toMatch(/data: \[DONE\]\n\n$/);
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(event.estimated).toBe(true);
    expect(event.usage.output).toBeGreaterThan(20);
    expect(event.usage.output).toBeLessThan(120);
  });

  it('whose client leaves is read to its end and charged in full (TL-9)', async () => {
    const abort = new AbortController();
    const response = await fixture.chat(
      key,
      { stream: true, x_sim: { promptTokens: 20, completionTokens: 60, chunkMs: 10 } },
      { signal: abort.signal },
    );
    const reader = response.body?.getReader();
    await reader?.read();
    abort.abort();
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ outcome: 'client_aborted', usage: { input: 20, output: 60 }, estimated: false });
    expect(event.chargeNanoUsd).toBe(priceOf({ input: 20, output: 60 }));
    await expectNothingHeld();
  });

  it('whose client leaves before the first byte is charged in full all the same', async () => {
    const abort = new AbortController();
    const pending = fixture.chat(
      key,
      { stream: true, x_sim: { promptTokens: 20, completionTokens: 11, latencyMs: 400 } },
      { signal: abort.signal },
    );
    await waitUntil(async () =>
      (await fixture.view.listOpen(key.projection.accountTag)).some((entry) => entry.state === 'held'),
    );
    abort.abort();
    await expect(pending).rejects.toThrow();
    await expectNothingHeld();
    const records = await readOracleFile(fixture.oracleFile);
    expect(records.at(-1)).toMatchObject({ outcome: 'completed', completionTokens: 11 });
    expect(await fixture.eventOf(records.at(-1)?.gatewayRequestId ?? null)).toMatchObject({
      outcome: 'client_aborted',
      usage: { input: 20, output: 11 },
    });
  });

  it('that breaks off ends with an error event and costs nothing', async () => {
    const response = await fixture.chat(key, { stream: true, x_sim: { fault: 'cut', completionTokens: 50, afterChunks: 5 } });
    const text = await response.text();
    expect(text).toMatch(
      /data: \{"error":\{"message":"[^"]+","type":"server_error","param":null,"code":"upstream_cut"\}\}\n\n$/,
    );
    expect(text).not.toContain('[DONE]');
    expect(await fixture.eventOf(response.headers.get('x-request-id'))).toMatchObject({
      outcome: 'upstream_cut',
      chargeNanoUsd: '0',
      httpStatus: 200,
    });
    await expectNothingHeld();
  });

  it('that runs on for a client that left is given up at a bound and charged as counted', async () => {
    const abort = new AbortController();
    const body = { stream: true, x_sim: { completionTokens: 90_000, tokensPerChunk: 1 } };
    const response = await fixture.chat(key, body, { signal: abort.signal });
    await response.body?.getReader().read();
    abort.abort();
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ outcome: 'drain_capped', estimated: true });
    expect(event.usage.output).toBeGreaterThan(10_000);
    expect(event.usage.output).toBeLessThan(90_000);
    await expectNothingHeld();
  });

  it('that keeps the client waiting is kept alive by comments (TL-16)', async () => {
    const response = await fixture.chat(key, { stream: true, x_sim: { completionTokens: 3, latencyMs: 10_800 } });
    const text = await response.text();
    expect(text).toMatch(/^: keep-alive\n\ndata: /);
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  it('that falls silent is cut and costs nothing', async () => {
    const response = await fixture.chat(key, {
      model: 'impatient',
      stream: true,
      x_sim: { fault: 'hang_midstream', completionTokens: 50, afterChunks: 5 },
    });
    expect(await response.text()).toContain('"upstream_timeout"');
    expect(await fixture.eventOf(response.headers.get('x-request-id'))).toMatchObject({
      outcome: 'upstream_cut',
      chargeNanoUsd: '0',
    });
  });

  it('waits for a slow reader and still arrives whole', async () => {
    const body = JSON.stringify({
      model: 'gpt-4o-mini',
      stream: true,
      messages: [{ role: 'user', content: 'x' }],
      x_sim: { completionTokens: 16_000, tokensPerChunk: 4 },
    });
    const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      const req = httpRequest(
        `${fixture.url}/v1/chat/completions`,
        { method: 'POST', headers: { authorization: `Bearer ${key.text}` }, highWaterMark: 1_024 } as never,
        resolve,
      );
      req.on('error', reject);
      req.end(body);
    });
    let text = '';
    for await (const chunk of response) {
      text += chunk;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(text.match(/"content":/g)?.length).toBeGreaterThanOrEqual(4_000);
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });
});

describe('an upstream that fails', () => {
  it.each([
    [500, 500],
    [429, 429],
    [400, 400],
    [401, 502],
  ])("with %i is answered with %i in OpenAI's shape and charges nothing (TL-9)", async (status, answered) => {
    const response = await fixture.chat(key, { x_sim: { fault: 'status', status } });
    expect(response.status).toBe(answered);
    expect(await response.json()).toEqual({
      error: { message: expect.any(String), type: expect.any(String), param: null, code: expect.any(String) },
    });
    expect(await fixture.eventOf(response.headers.get('x-request-id'))).toMatchObject({
      outcome: 'upstream_error',
      chargeNanoUsd: '0',
      usage: {},
      httpStatus: answered,
    });
    await expectNothingHeld();
  });

  it('passes on when to come back', async () => {
    const response = await fixture.chat(key, { x_sim: { fault: 'status', status: 429, retryAfterMs: 1_500 } });
    expect(response.headers.get('retry-after-ms')).toBe('1500');
  });

  it.each([
    ['that refuses the connection', { model: 'unreachable' }, 502, 'upstream_unreachable'],
    ['that resets the connection', { x_sim: { fault: 'refuse' } }, 502, 'upstream_cut'],
    ['that never answers', { model: 'impatient', x_sim: { fault: 'never' } }, 504, 'upstream_timeout'],
    ['that answers with half a JSON', { x_sim: { fault: 'malformed' } }, 502, 'upstream_cut'],
    ['that never answers a stream', { model: 'impatient', stream: true, x_sim: { fault: 'never' } }, 504, 'upstream_timeout'],
  ])('%s costs nothing', async (...[, body, status, code]) => {
    const response = await fixture.chat(key, body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { code } });
    expect((await fixture.eventOf(response.headers.get('x-request-id'))).chargeNanoUsd).toBe('0');
    await expectNothingHeld();
  });

  it('and quotes our credential does not give it away', async () => {
    const message = `Incorrect API key provided: ${UPSTREAM_SECRET}. Bearer ${UPSTREAM_SECRET}`;
    canned = {
      status: 400,
      headers: { 'content-type': 'application/json', 'x-secret': UPSTREAM_SECRET },
      pieces: [JSON.stringify({ error: { message, type: 'x', code: 'y' } })],
    };
    const response = await fixture.chat(key, { model: 'canned' });
    const seen = JSON.stringify([await response.json(), [...response.headers]]);
    expect(seen).toContain('Incorrect API key');
    expect(seen).not.toContain('0123456789abcdef');
  });
});

describe('addresses', () => {
  it.each([
    ['POST', '/chat/completions', 404, /\/v1/],
    ['GET', '/nowhere', 404, /\/v1/],
    ['GET', '/v1/nowhere', 404, /\/v1/],
    ['GET', '/api/keys', 404, /dashboard API/],
    ['GET', '/v1/chat/completions', 405, /POST/],
    ['DELETE', '/v1/models', 405, /GET/],
    ['OPTIONS', '/v1/chat/completions', 405, /POST/],
    ['GET', '/%zz', 400, /could not be read/],
  ])("%s %s is answered with %i in OpenAI's shape (TL-13)", async (...[method, path, status, message]) => {
    const response = await fetch(`${fixture.url}${path}`, { method });
    expect(response.status).toBe(status);
    expect(isUuid7(response.headers.get('x-request-id') ?? '')).toBe(true);
    const { error } = (await response.json()) as { error: { message: string; type: string } };
    expect(error.message).toMatch(message);
    expect(error.type).toBe('invalid_request_error');
  });

  it('list the models of the key and no others (TL-11)', async () => {
    const narrow = await fixture.addKey({ models: ['gpt-4o', 'gone'] });
    const headers = { authorization: `Bearer ${narrow.text}` };
    const list = (await (await fetch(`${fixture.url}/v1/models`, { headers })).json()) as { data: { id: string }[] };
    expect(list).toEqual({
      object: 'list',
      data: [{ id: 'gpt-4o', object: 'model', created: 1_700_000_000, owned_by: 'test' }],
    });
    expect((await fetch(`${fixture.url}/v1/models/gpt-4o`, { headers })).status).toBe(200);
    const other = await fetch(`${fixture.url}/v1/models/gpt-4o-mini`, { headers });
    expect(other.status).toBe(404);
    expect(await other.json()).toMatchObject({ error: { code: 'model_not_found' } });
    expect((await fetch(`${fixture.url}/v1/models`)).status).toBe(401);
  });

  it('refuse a body that is too large before reading it', async () => {
    const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      const headers = { authorization: `Bearer ${key.text}`, 'content-length': 33 * 1024 * 1024 };
      const req = httpRequest(`${fixture.url}/v1/chat/completions`, { method: 'POST', headers }, resolve);
      req.on('error', reject);
      req.write('{');
    });
    let text = '';
    for await (const chunk of response) text += chunk;
    expect(response.statusCode).toBe(413);
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'request_too_large' } });
  });
});

describe('the log', () => {
  it('names calls by request id and holds no key, no credential and no prompt', async () => {
    const messages = [{ role: 'user', content: 'a prompt nobody else should read' }];
    const response = await fixture.chat(key, { messages, x_sim: { fault: 'status', status: 500 } });
    await waitUntil(() => fixture.output.includes(response.headers.get('x-request-id') as string), {
      what: 'the call in the log',
    });
    for (const secret of [key.text, key.projection.keyHash, UPSTREAM_SECRET, PEPPER, 'nobody else should read']) {
      expect(fixture.output).not.toContain(secret);
    }
    for (const line of fixture.output.trim().split('\n')) expect(() => JSON.parse(line)).not.toThrow();
  });
});
