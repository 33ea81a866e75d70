import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
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

describe('what cannot be read behind a request that is being answered', () => {
  let http: HttpServer;
  let answers: ServerResponse[];
  let text: string;
  let isOver: boolean;

  beforeEach(async () => {
    [answers, text, isOver] = [[], '', false];
    const bounds = { requestTimeout: 200, headersTimeout: 200, connectionsCheckingInterval: 50 };
    http = createHttpServer(bounds, (_req, res) => answers.push(res));
    http.on('clientError', answerParserError);
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
  });
  afterEach(() => {
    http.closeAllConnections();
    http.close();
  });

  function send(bytes: string) {
    const socket = connect((http.address() as AddressInfo).port, '127.0.0.1');
    socket.on('data', (chunk) => (text += chunk));
    socket.on('end', () => (isOver = true));
    socket.on('error', () => undefined);
    socket.write(bytes);
    return socket;
  }

  const CALL = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n';
  it.each([
    ['is no HTTP', 'no HTTP\r\n\r\n'],
    ['never comes whole', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n'],
  ])('(it %s) leaves that answer whole, and the connection ends with it', async (_kind, behind) => {
    let errors = 0;
    http.on('clientError', () => (errors += 1));
    const socket = send(CALL + behind);
    await waitUntil(() => answers.length > 0);
    const [answer] = answers as [ServerResponse];
    answer.write('first ');
    await waitUntil(() => errors > 0);
    socket.write('more of it');
    answer.end('last');
    await waitUntil(() => isOver);
    expect(text).toMatch(/^HTTP\/1.1 200 OK.*first .*last\r\n0\r\n\r\n$/s);
    expect(text.match(/HTTP\/1.1/g)).toHaveLength(1);
  });

  it.each([
    ['under way', (answer: ServerResponse) => answer.write('refused')],
    ['given', (answer: ServerResponse) => answer.end('refused')],
  ])('is not told behind a refusal that was %s before the body came', async (_, refuse) => {
    send('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n');
    await waitUntil(() => answers.length > 0);
    refuse(answers[0] as ServerResponse);
    await waitUntil(() => isOver);
    expect(text.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200']);
  });

  it('does not take the refusal along that was given before the body came', async () => {
    const socket = send('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\n');
    socket.pause();
    await waitUntil(() => answers.length > 0);
    const { socket: served } = answers[0] as ServerResponse & { socket: Socket };
    answers[0]?.end('refused');
    await once(http, 'clientError');
    socket.write('bytes of its body');
    // Whoever closed at once did not read them.
    await waitUntil(() => served.destroyed || served.bytesRead === socket.bytesWritten);
    socket.resume();
    await waitUntil(() => isOver);
    expect(text).toMatch(/refused$/);
  });

  it.each([
    ['at once', 0],
    ['when it has taken too long already', 1],
  ])('does not hide that its client has left (%s)', async (_, errorsBefore) => {
    let hasLeft = false;
    let errors = 0;
    http.on('clientError', () => (errors += 1));
    const socket = send(`${CALL}POST / HT`);
    await waitUntil(() => answers.length > 0);
    answers[0]?.once('close', () => (hasLeft = true));
    await waitUntil(() => errors >= errorsBefore);
    socket.end();
    await waitUntil(() => hasLeft);
    expect(answers).toHaveLength(1);
  });
});
