import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { OracleRecord } from '@tensorloop/contracts/oracle-record';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { createRouter } from '../server/router.js';
import { Statistics } from '../server/statistics.js';
import { CallsService } from './calls.service.js';

/** A disk that is as slow as the test wants it. */
class HeldOracle {
  readonly records: OracleRecord[] = [];
  private release: () => void = () => undefined;
  private readonly released = new Promise<void>((resolve) => {
    this.release = resolve;
  });

  append(record: OracleRecord): Promise<void> {
    this.records.push({ ...record });
    return this.released;
  }

  sync(): void {
    this.release();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

let oracle: HeldOracle;
let server: Server;
let url: string;

beforeEach(async () => {
  oracle = new HeldOracle();
  const statistics = new Statistics();
  server = createServer(createRouter(new CallsService(oracle, statistics), statistics));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/chat/completions`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function post(sim: Record<string, unknown>, stream: boolean, signal?: AbortSignal): Promise<Response> {
  const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hello' }], stream, x_sim: sim });
  return fetch(url, { method: 'POST', body, ...(signal ? { signal } : {}) });
}

function connectionCount(): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((err, count) => (err ? reject(err) : resolve(count)));
  });
}

describe('while the record is not on disk', () => {
  it('no byte of a JSON answer leaves', async () => {
    let isAnswered = false;
    const answer = post({}, false).then((response) => {
      isAnswered = true;
      return response.json();
    });
    await waitUntil(() => oracle.records.length === 1);
    // A round trip on another connection: had the answer left, it would be here.
    await fetch(new URL('/health/live', url));
    expect(isAnswered).toBe(false);
    oracle.sync();
    expect(await answer).toMatchObject({ object: 'chat.completion' });
  });

  it('a stream flows but does not end', async () => {
    const response = await post({ completionTokens: 5, chunkMs: 1 }, true);
    const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const reading = (async () => {
      for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    })();
    await waitUntil(() => oracle.records.length === 1 && text.split('"delta":{"content":" ').length === 6);
    await fetch(new URL('/health/live', url));
    expect(text).not.toContain('"finish_reason":"stop"');
    oracle.sync();
    await reading;
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  it('a peer that leaves replaces its record by one that says so', async () => {
    const leaving = new AbortController();
    const answer = post({ completionTokens: 5 }, false, leaving.signal).catch(() => null);
    await waitUntil(() => oracle.records.length === 1);
    expect(oracle.records[0]).toMatchObject({ outcome: 'completed', usageSent: true });
    leaving.abort();
    await answer;
    await waitUntil(async () => (await connectionCount()) === 0, { what: 'the server to see that the peer has left' });
    oracle.sync();
    await waitUntil(() => oracle.records.length === 2);
    expect(oracle.records[1]).toMatchObject({
      id: oracle.records[0]?.id,
      outcome: 'client_gone',
      usageSent: false,
      bytesSent: 0,
    });
  });
});
