import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openAiErrorSchema } from '@tensorloop/contracts/openai-error';
import { isUuid7 } from '@tensorloop/kernel/uuid7';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture } from '../../test/gateway-fixture.js';
import type { TestKey } from '../../test/test-keys.js';

const CHAT = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }] });
const DEPTH = 50_000;

let fixture: GatewayFixture;
let key: TestKey;

beforeAll(async () => {
  fixture = await GatewayFixture.start();
  key = await fixture.addKey({ models: ['*'], rpm: 100_000 });
});

afterAll(async () => {
  await fixture?.stop();
});

interface RawAnswer {
  status: number;
  head: string;
  body: string;
}

/** Sends bytes as they are, and reads until the gateway closes the connection. */
function sendBytes(...pieces: (string | Buffer)[]): Promise<RawAnswer> {
  const { hostname, port } = new URL(fixture.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8');
    });
    socket.on('close', () => {
      const [head = '', body = ''] = text.split('\r\n\r\n').slice(-2);
      resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]), head, body });
    });
    socket.on('error', reject);
    for (const piece of pieces) socket.write(piece);
  });
}

function head(...headers: string[]): string {
  const lines = ['POST /v1/chat/completions HTTP/1.1', 'host: gateway', `authorization: Bearer ${key.text}`, ...headers];
  return `${lines.join('\r\n')}\r\nconnection: close\r\n\r\n`;
}

function expectError({ status, head: headers, body }: RawAnswer, expected: { status: number; code: string }): void {
  expect(status).toBe(expected.status);
  expect(openAiErrorSchema.parse(JSON.parse(body)).error.code).toBe(expected.code);
  expect(isUuid7(/x-request-id: (\S+)/i.exec(headers)?.[1] ?? '')).toBe(true);
}

describe('a body that cannot be read (TL-8)', () => {
  it.each([
    ['of another type', { 'content-type': 'application/x-www-form-urlencoded' }, CHAT, 415],
    ['in another character set', { 'content-type': 'application/json; charset=utf-16' }, CHAT, 415],
    ['that is compressed', { 'content-type': 'application/json', 'content-encoding': 'gzip' }, CHAT, 415],
    ['that is no UTF-8', { 'content-type': 'application/json' }, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), 400],
    ['that begins with a byte order mark', { 'content-type': 'application/json' }, `\ufeff${CHAT}`, 400],
    ['that is empty', { 'content-type': 'application/json' }, '', 400],
    [
      'that is nested too deeply',
      { 'content-type': 'application/json' },
      `{"model":"gpt-4o-mini","messages":[{}],"prediction":${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}}`,
      400,
    ],
    [
      'whose stream options are nested too deeply',
      { 'content-type': 'application/json' },
      `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"a"}],"stream":true,"stream_options":{"x":${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}}}`,
      400,
    ],
  ])('%s is refused', async (...[, extra, body, status]) => {
    const headers = { authorization: `Bearer ${key.text}`, ...(extra as Record<string, string>) };
    const response = await fixture.post('/chat/completions', key, { headers, body });
    expect(response.status).toBe(status);
    const { error } = openAiErrorSchema.parse(await response.json());
    expect(error).toMatchObject({
      type: 'invalid_request_error',
      code: status === 415 ? 'unsupported_media_type' : 'invalid_body',
    });
  });

  it('is not described to callers without a key', async () => {
    const response = await fetch(`${fixture.url}/v1/embeddings`, { method: 'POST', body: 'x' });
    expect(response.status).toBe(401);
  });

  it('goes upstream untouched however deep it is nested, when nothing of it matters here', async () => {
    const body = `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"a"}],"unknown":${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}}`;
    expect((await fixture.post('/chat/completions', key, { body })).status).toBe(200);
  });
});

describe('a request that is hardly one', () => {
  it.each([
    ['no HTTP', 'hello\r\n\r\n', 400, 'invalid_body'],
    [
      'a chunk without a size',
      `POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
      400,
      'invalid_body',
    ],
    ['headers without end', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
  ])("(%s) is answered in OpenAI's shape", async (...[, text, status, code]) => {
    expectError(await sendBytes(text), { status, code });
  });

  it('says whom it is for, unless it is of HTTP/1.0', async () => {
    expectError(await sendBytes('GET /v1/models HTTP/1.1\r\nconnection: close\r\n\r\n'), { status: 400, code: 'invalid_body' });
    expectError(await sendBytes('GET /v1/models HTTP/1.0\r\n\r\n'), { status: 401, code: 'invalid_api_key' });
  });

  it('may expect to be asked for its body, and nothing else', async () => {
    const length = `content-length: ${CHAT.length}`;
    const continued = await sendBytes(head('expect: 100-continue', 'content-type: application/json', length), CHAT);
    expect(continued.status).toBe(100);
    expect(JSON.parse(continued.body)).toMatchObject({ object: 'chat.completion' });
    expectError(await sendBytes(head('expect: miracles', length), CHAT), { status: 417, code: 'expectation_failed' });
  });

  it('takes no memory by what it says it will send: large bodies of others find room', async () => {
    const { hostname, port } = new URL(fixture.url);
    const sockets = Array.from({ length: 80 }, (_, index) => {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => undefined);
      const size = index % 2 === 0 ? 'transfer-encoding: chunked' : 'content-length: 33554432';
      const path = index % 4 < 2 ? '/v1/messages/count_tokens' : '/nowhere';
      socket.write(`POST ${path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n${size}\r\n\r\n`);
      return socket;
    });
    await Promise.all(sockets.map((socket) => (socket.connecting ? once(socket, 'connect') : undefined)));
    const content = 'x'.repeat(200_000);
    expect((await fixture.chat(key, { messages: [{ role: 'user', content }] })).status).toBe(200);
    for (const socket of sockets) socket.destroy();
  });

  it('leaves nothing held when it ends before its body does', async () => {
    const { hostname, port } = new URL(fixture.url);
    const socket = connect(Number(port), hostname);
    socket.end(head('content-type: application/json', 'content-length: 500') + CHAT);
    await once(socket.resume(), 'close');
    const { accountTag } = key.projection;
    await waitUntil(async () => (await fixture.view.listOpen(accountTag)).every((entry) => entry.state === 'settled'), {
      what: 'every hold to be settled',
    });
  });
});

it('a gateway told to listen at "localhost" does so at one address, where these rules hold', async () => {
  await fixture.gateway.stop('SIGTERM');
  fixture.environment = { HOST: 'localhost' };
  await fixture.restartGateway();
  const { hostname, port } = new URL(fixture.url);
  expect(hostname).toBe('127.0.0.1');
  expectError(await sendBytes('GET /v1/models HTTP/1.1\r\nconnection: close\r\n\r\n'), { status: 400, code: 'invalid_body' });
  await expect(once(connect(Number(port), '::1'), 'connect')).rejects.toThrow();
});
