import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { answerParserError, LINGER_MS } from './raw-errors.js';

let server: Server;

beforeAll(async () => {
  // As the sockets of Node's HTTP servers are: the end of one side does not end the other.
  server = createServer({ allowHalfOpen: true }, (socket) => {
    answerParserError(Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.close();
});

function connections(): Promise<number> {
  return new Promise((resolve) => server.getConnections((_error, count) => resolve(count)));
}

describe('a request that never arrived whole', () => {
  it('is told so, and its connection is given up although its peer never ends it', async () => {
    const startedAtMs = performance.now();
    const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => undefined);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    await once(socket, 'end');
    expect(text).toMatch(/^HTTP\/1\.1 408 .*"code":"request_timeout"/s);
    await waitUntil(async () => (await connections()) === 0, { what: 'the connection to be given up' });
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(LINGER_MS - 50);
    socket.destroy();
  });
});
