import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { type WireAnswer, WirePool } from './wire-pool.js';

const REQUEST = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}';
let close: () => void = () => undefined;
afterEach(() => close());

function listen(server: Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
    close = () => {
      server.closeAllConnections();
      server.close();
    };
  });
}

function call(pool: WirePool): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    if (pool.send(REQUEST, resolve) === null) reject(new Error('nothing was sent'));
  });
}

describe('the wire of the load', () => {
  it('reads whole and chunked answers to their ends, and uses the connection again', async () => {
    let connections = 0;
    let calls = 0;
    const server = createServer((_req, res) => {
      calls += 1;
      if (calls % 2 === 0) res.end('a whole answer');
      else {
        res.write('data: 0\r\n\r\n');
        setImmediate(() => res.write('data: 1\n\n', () => res.end('data: [DONE]\n\n')));
      }
    }).on('connection', () => {
      connections += 1;
    });
    const pool = new WirePool(await listen(server), 1);
    for (let index = 0; index < 20; index++) expect(await call(pool)).toEqual({ status: 200, hasRetryAfter: false });
    expect([calls, connections]).toEqual([20, 1]);
    pool.close();
  });

  it('opens connections before there are calls, and calls go over them', async () => {
    let connections = 0;
    const server = createServer((_req, res) => res.end('{}')).on('connection', () => {
      connections += 1;
    });
    const pool = new WirePool(await listen(server), 4);
    pool.connect(9);
    await waitUntil(() => connections === 4);
    expect(await Promise.all([1, 2, 3, 4].map(() => call(pool)))).toHaveLength(4);
    expect(connections).toBe(4);
    pool.close();
  });

  it('tells a refusal and whether it says when to come back', async () => {
    const server = createServer((req, res) => {
      req.resume();
      res.writeHead(503, { 'Retry-After': '1', connection: 'close' }).end('{}');
    });
    const pool = new WirePool(await listen(server), 1);
    expect(await call(pool)).toEqual({ status: 503, hasRetryAfter: true });
    pool.close();
  });

  it('sends nothing above its connections, and tells a broken one', async () => {
    const tcp = createTcpServer((socket) => socket.on('error', () => undefined));
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    const pool = new WirePool(`http://127.0.0.1:${(tcp.address() as AddressInfo).port}`, 1);
    const waiting = call(pool);
    expect(pool.send(REQUEST, () => undefined)).toBeNull();
    pool.close();
    expect(await waiting).toEqual({ status: null, hasRetryAfter: false });
    tcp.close();
  });
});
