import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { CONNECTIONS_MAX, HttpTransport, IDLE_MS, IDLE_MS_MAX } from './http-transport.service.js';
import type { AnswerHandler, UpstreamFailure, UpstreamFlow, UpstreamRequest } from './upstream.types.js';

const PEAK = CONNECTIONS_MAX + 200;
const IDLE = { ms: 400, maxMs: 800 };

let server: Server;
let origin: string;
let transport: HttpTransport;
/** Answers that the provider keeps to itself; null = it answers at once. */
let waiting: ServerResponse[] | null;

beforeEach(async () => {
  waiting = null;
  server = createServer((req, res) => {
    // It says that it keeps connections for ten minutes, and would.
    res.setHeader('keep-alive', 'timeout=600');
    req.resume();
    if (waiting === null) res.end('{}');
    else waiting.push(res);
  });
  server.keepAliveTimeout = 600_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  transport = new HttpTransport(IDLE);
});
afterEach(async () => {
  await transport.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const REQUEST = {
  deployment: { headTimeoutMs: 10_000, idleTimeoutMs: 10_000 },
  requestId: 'a call',
  body: Buffer.from('{}'),
} as UpstreamRequest;

function call(): Promise<void> {
  return new Promise((resolve, reject) => {
    const handler: AnswerHandler = {
      onStart: () => undefined,
      onHead: () => undefined,
      onData: () => undefined,
      onEnd: resolve,
      onFailure: (failure) => reject(new Error(failure)),
    };
    transport.send(REQUEST, { origin, path: '/', headers: {} }, handler);
  });
}

function connections(): Promise<number> {
  return new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))));
}

/** So many calls at once, all answered when all of them that can be are there. */
async function peak(): Promise<number> {
  const held: ServerResponse[] = [];
  waiting = held;
  const calls = Array.from({ length: PEAK }, call);
  await waitUntil(() => held.length >= CONNECTIONS_MAX, { what: 'the pool to be full' });
  const most = await connections();
  waiting = null;
  for (const res of held) res.end('{}');
  await Promise.all(calls);
  return most;
}

describe('a call that its provider has not answered yet', () => {
  it('can be given up: the provider is not left at work for nobody', async () => {
    const held: ServerResponse[] = [];
    waiting = held;
    let flow: UpstreamFlow | null = null;
    const failed = new Promise<UpstreamFailure>((resolve, reject) => {
      const handler: AnswerHandler = {
        onStart: (started) => {
          flow = started;
        },
        onHead: () => reject(new Error('it was answered')),
        onData: () => undefined,
        onEnd: () => reject(new Error('it was answered')),
        onFailure: resolve,
      };
      transport.send(REQUEST, { origin, path: '/', headers: {} }, handler);
    });
    await waitUntil(() => held.length === 1, { what: 'the request to arrive' });
    (flow as UpstreamFlow | null)?.abort();
    expect(await failed).toBe('aborted');
    await waitUntil(() => held[0]?.destroyed === true, { what: 'the provider to see it' });
  });
});

describe('connections to a provider', () => {
  it('are never more than the pool’s bound, and the calls beyond it wait for one', async () => {
    expect(await peak()).toBe(CONNECTIONS_MAX);
  });

  it('that a peak opened are closed a bounded time after it although calls go on', async () => {
    await peak();
    const endedAtMs = performance.now();
    await waitUntil(
      async () => {
        await Promise.all([call(), call()]);
        return (await connections()) <= 4;
      },
      { what: 'the connections of the peak to be closed' },
    );
    expect(performance.now() - endedAtMs).toBeGreaterThan(IDLE.ms);
  });

  it('live for seconds when idle, and for a minute at most where the provider keeps them for longer', () => {
    expect([IDLE_MS, IDLE_MS_MAX]).toEqual([4_000, 60_000]);
  });
});
