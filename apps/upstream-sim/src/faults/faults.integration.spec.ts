import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { OracleRecord } from '@tensorloop/contracts/oracle-record';
import { readOracleFile } from '@tensorloop/testing/oracle-file';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { createSimulator, type Simulator } from '../app.js';

let folder: string;
let oracleFile: string;
let simulator: Simulator;
let url: string;
let callCount = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faults-'));
  oracleFile = join(folder, 'oracle.jsonl');
  simulator = await createSimulator({ oracleFile });
  url = await simulator.listen(0);
});
afterAll(async () => {
  await simulator.close();
  await rm(folder, { recursive: true, force: true });
});

interface Received {
  status: number | null;
  headers: Record<string, unknown>;
  body: string;
  /** False when the connection broke before the end of the answer. */
  isWhole: boolean;
  record(): Promise<OracleRecord>;
}

interface Sent {
  stream?: boolean;
  /** Leaves as soon as the body holds this text ("" = with the head), or, with null, right after asking. */
  leaveAt?: string | null;
}

/** Sends one call by plain node:http, which shows what came before a connection broke. */
function send(sim: Record<string, unknown>, { stream = false, leaveAt }: Sent = {}): Promise<Received> {
  const requestId = `call-${callCount++}`;
  const record = () => recordOf(requestId);
  const bodyText = JSON.stringify({
    model: 'gpt-4o',
    messages: [{ role: 'user', content: 'x'.repeat(200) }],
    stream,
    stream_options: stream ? { include_usage: true } : undefined,
    x_sim: { promptTokens: 10, completionTokens: 30, ...sim },
  });
  return new Promise((resolve) => {
    const received: Received = { status: null, headers: {}, body: '', isWhole: false, record };
    const req = request(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'x-request-id': requestId } }, (res) => {
      received.status = res.statusCode ?? null;
      received.headers = res.headers;
      res.on('data', (chunk: Buffer) => {
        received.body += chunk.toString();
        if (leaveAt != null && received.body.includes(leaveAt)) req.destroy();
      });
      res.on('error', () => undefined);
      res.on('close', () => {
        received.isWhole = res.complete;
        resolve(received);
      });
    });
    req.on('error', () => resolve(received));
    req.end(bodyText, () => {
      if (leaveAt === null) setImmediate(() => req.destroy());
    });
  });
}

function recordOf(requestId: string): Promise<OracleRecord> {
  const find = async () => (await readOracleFile(oracleFile)).find((record) => record.gatewayRequestId === requestId);
  return waitUntil(find, { what: `the record of ${requestId}` }) as Promise<OracleRecord>;
}

function contentChunks(body: string): number {
  return body.split('"delta":{"content":"').length - 1;
}

it('an answer without fault is recorded as it was received', async () => {
  const received = await send({ cachedTokens: 4, reasoningTokens: 6 });
  expect(received.isWhole).toBe(true);
  expect(await received.record()).toMatchObject({
    model: 'gpt-4o',
    stream: false,
    promptTokens: 10,
    cachedTokens: 4,
    completionTokens: 30,
    reasoningTokens: 6,
    status: 200,
    outcome: 'completed',
    usageSent: true,
    bytesSent: Buffer.byteLength(received.body),
  });
});

describe('status', () => {
  it.each([429, 500, 503, 400])(
    '%i is answered in the shape of an OpenAI error and recorded without tokens',
    async (status) => {
      const received = await send({ fault: 'status', status, retryAfterMs: 1_500 });
      expect(received).toMatchObject({ status, isWhole: true, headers: { 'retry-after': '2', 'retry-after-ms': '1500' } });
      expect(JSON.parse(received.body)).toMatchObject({
        error: { message: expect.any(String), type: expect.any(String), param: null },
      });
      expect(await received.record()).toMatchObject({
        outcome: 'error',
        status,
        promptTokens: 0,
        completionTokens: 0,
        usageSent: false,
      });
    },
  );
});

describe('refuse', () => {
  it('breaks the connection before any head', async () => {
    const received = await send({ fault: 'refuse' });
    expect(received.status).toBeNull();
    expect(await received.record()).toMatchObject({ outcome: 'error', status: null, bytesSent: 0 });
  });
});

describe('cut', () => {
  it('breaks a stream after the chunks asked for', async () => {
    const received = await send({ fault: 'cut', afterChunks: 5, tokensPerChunk: 2 }, { stream: true });
    expect(received).toMatchObject({ status: 200, isWhole: false });
    expect(contentChunks(received.body)).toBe(5);
    expect(received.body).not.toContain('[DONE]');
    expect(await received.record()).toMatchObject({
      outcome: 'cut',
      completionTokens: 10,
      usageSent: false,
      bytesSent: Buffer.byteLength(received.body),
    });
  });

  it.each(['cut', 'cut_json'])('%s breaks a JSON answer in half', async (fault) => {
    const received = await send({ fault });
    expect(received).toMatchObject({ status: 200, isWhole: false });
    expect(received.body.length).toBeGreaterThan(0);
    expect(await received.record()).toMatchObject({
      outcome: 'cut',
      usageSent: false,
      bytesSent: Buffer.byteLength(received.body),
    });
  });
});

describe('no_usage', () => {
  it.each([true, false])('leaves usage out (stream: %s) and says so in the record', async (stream) => {
    const received = await send({ fault: 'no_usage' }, { stream });
    expect(received.isWhole).toBe(true);
    expect(received.body).not.toContain('"prompt_tokens"');
    expect(await received.record()).toMatchObject({ outcome: 'completed', completionTokens: 30, usageSent: false });
  });
});

describe('malformed', () => {
  it('answers JSON that does not parse, with a length that fits', async () => {
    const received = await send({ fault: 'malformed' });
    expect(received).toMatchObject({ status: 200, isWhole: true });
    expect(() => JSON.parse(received.body)).toThrow();
  });

  it('breaks the usage event of a stream that ends as it should', async () => {
    const received = await send({ fault: 'malformed' }, { stream: true });
    const events = received.body.split('\n\n');
    expect(events.at(-2)).toBe('data: [DONE]');
    expect(() => JSON.parse((events.at(-3) as string).slice('data: '.length))).toThrow();
    expect(await received.record()).toMatchObject({ outcome: 'completed', usageSent: false });
  });
});

describe('ignore_max_tokens', () => {
  it('generates and reports more than was allowed', async () => {
    const body = JSON.stringify({
      model: 'gpt-4o',
      messages: [{ role: 'user', content: 'Hi' }],
      max_tokens: 5,
      x_sim: { completionTokens: 30, fault: 'ignore_max_tokens' },
    });
    const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body });
    expect(await response.json()).toMatchObject({ usage: { completion_tokens: 30 }, choices: [{ finish_reason: 'stop' }] });
  });
});

describe('a peer that leaves', () => {
  it('before a head that never comes is recorded with nothing served', async () => {
    const received = await send({ fault: 'never' }, { leaveAt: null });
    expect(await received.record()).toMatchObject({ outcome: 'client_gone', status: null, completionTokens: 0 });
  });

  it('during the latency before the head is recorded with nothing served', async () => {
    const received = await send({ latencyMs: 60_000 }, { leaveAt: null });
    expect(await received.record()).toMatchObject({ outcome: 'client_gone', status: null, completionTokens: 0 });
  });

  it('from a stream that hangs is recorded with the tokens sent before', async () => {
    const received = await send(
      { fault: 'hang_midstream', afterChunks: 2, tokensPerChunk: 3 },
      { stream: true, leaveAt: 'content":" ' },
    );
    expect(await received.record()).toMatchObject({
      outcome: 'client_gone',
      status: 200,
      completionTokens: 6,
      usageSent: false,
    });
  });

  it('in the midst of a paced stream is recorded with the tokens generated so far', async () => {
    const received = await send({ completionTokens: 1_000, chunkMs: 5 }, { stream: true, leaveAt: 'content":" ' });
    const record = await received.record();
    expect(record).toMatchObject({ outcome: 'client_gone', usageSent: false });
    expect(record.completionTokens).toBeGreaterThanOrEqual(contentChunks(received.body));
    expect(record.completionTokens).toBeLessThan(1_000);
  });
});

it('pace: a stream takes at least the time its waits add up to', async () => {
  const startedAtMs = performance.now();
  const received = await send({ completionTokens: 5, latencyMs: 20, firstTokenMs: 20, chunkMs: 20 }, { stream: true });
  expect(received.isWhole).toBe(true);
  // Timers may fire up to a millisecond early; six of them were awaited.
  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(6 * 20 - 6);
});
