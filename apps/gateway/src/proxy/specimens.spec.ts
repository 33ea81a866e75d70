import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SPECIMENS_MAX, Specimens } from './specimens.service.js';
import { makeWriteWait } from './waiting-write.js';

let server: Server;
let specimens: Specimens;
let answer: (res: ServerResponse, req: IncomingMessage) => void;
let requests: IncomingMessage[];

beforeEach(async () => {
  requests = [];
  answer = (res) => void res.end('ok');
  server = createServer((req, res) => {
    requests.push(req);
    req.resume();
    answer(res, req);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  specimens = new Specimens();
});
afterEach(() => {
  specimens.close();
  server.closeAllConnections();
  server.close();
});

async function ask(method: string): Promise<void> {
  const { port } = server.address() as AddressInfo;
  const req = request({ port, host: '127.0.0.1', method, headers: { authorization: 'Bearer secret' } }).end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  res.resume();
  await once(res, 'end');
  await new Promise((resolve) => setImmediate(resolve));
}

describe('specimens of answers', () => {
  it('are one of each shape, whatever the number of answers', async () => {
    for (let count = 0; count < 5; count++) await ask('POST');
    expect(specimens.count).toBe(1);
    answer = (res) => void Object.assign(res, { another: 'shape' }).end('ok');
    await ask('GET');
    await ask('GET');
    expect(specimens.count).toBe(2);
  });

  it('are never more than a bounded number', async () => {
    let shapes = 0;
    answer = (res) => {
      shapes += 1;
      Object.assign(res, { [`shape${shapes}`]: true }).end('ok');
    };
    for (let count = 0; count < SPECIMENS_MAX + 3; count++) await ask('GET');
    expect(specimens.count).toBe(SPECIMENS_MAX);
  });

  it('do not keep the key of who asked', async () => {
    await ask('POST');
    const [held] = requests as [IncomingMessage];
    expect(JSON.stringify([held.headers, held.rawHeaders])).not.toContain('secret');
  });

  it('take few of many calls: what is not held keeps its headers', async () => {
    for (let count = 1; count <= 9; count++) await ask('POST');
    const isHeld = requests.map(({ headers }) => headers.authorization === '');
    expect(isHeld).toEqual([true, true, false, true, false, false, false, true, false]);
  });

  it('have a write among them that had to wait', async () => {
    const write = await new Promise<object>((resolve) => makeWriteWait(resolve));
    expect(write.constructor.name).toBe('WriteWrap');
  });

  it('are let go when nobody needs them any more', async () => {
    await ask('POST');
    specimens.close();
    await ask('POST');
    expect(specimens.count).toBe(0);
    expect(requests[1]?.headers.authorization).toBe('Bearer secret');
  });
});
