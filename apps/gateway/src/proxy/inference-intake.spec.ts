import { once } from 'node:events';
import { type ClientRequest, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { chatCompletions } from '../chat/chat.service.js';
import { ByteBudget } from './byte-budget.js';
import { takeCalls } from './inference-intake.js';
import { BODY_BYTES_MAX, type BodyLease, PIECE_BYTES, RequestBodies, UNCOUNTED_BYTES_MAX } from './request-bodies.js';
import { WAITING_MAX } from './waiting-requests.js';

const PATH = '/v1/chat/completions';
const MEBIBYTE = 1024 * 1024;
const BUDGET_BYTES = BODY_BYTES_MAX + MEBIBYTE;
let server: Server;
let port: number;
let bodies: string[];
let defects: unknown[];
let handle: (body: Buffer, lease: BodyLease) => Promise<void>;
let isOverloaded: boolean;
let answerText: string;
let budget: ByteBudget;

beforeEach(async () => {
  bodies = [];
  defects = [];
  isOverloaded = false;
  answerText = 'taken';
  handle = async (body) => void bodies.push(body.toString());
  budget = new ByteBudget(BUDGET_BYTES);
  server = createServer({ requireHostHeader: false }, (_req, res) => res.end('framework'));
  takeCalls(server, {
    endpoints: [chatCompletions],
    bodies: new RequestBodies(budget),
    nowMs: () => Date.UTC(2026, 10, 21),
    onDefect: (error) => defects.push(error),
    calls: {
      handle: async (_endpoint, { body, lease }, { res }) => {
        await handle(body, lease);
        res.end(answerText);
      },
      shed: (_endpoint, res, requestId) => {
        if (isOverloaded) res.writeHead(503).end(requestId());
        return isOverloaded;
      },
    },
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

async function ask(path: string, send: (req: ClientRequest) => void, { headers = {}, method = 'POST' } = {}) {
  const req = request({ port, host: '127.0.0.1', path, method, headers });
  req.on('error', () => undefined);
  send(req);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of res) text += chunk;
  return { status: res.statusCode, headers: res.headers, text };
}

function connections(): Promise<number> {
  return new Promise((resolve) => server.getConnections((_error, count) => resolve(count)));
}

/** Calls are answered when the last of them is told to be. */
function holdAnswers(): () => void {
  let answer: () => void = () => undefined;
  handle = (body) => {
    bodies.push(body.toString());
    return new Promise((resolve) => (answer = resolve));
  };
  return () => answer();
}

function head(length: number): string {
  return `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n`;
}

describe('calls to an endpoint', () => {
  it('are taken with their whole body, in however many pieces it comes', async () => {
    const answer = await ask(PATH, (req) => {
      for (const piece of ['{"a"', ':', '1}']) req.write(piece);
      req.end();
    });
    expect(answer.text).toBe('taken');
    expect((await ask(PATH, (req) => req.end())).text).toBe('taken');
    expect(bodies).toEqual(['{"a":1}', '']);
  });

  it('are left to the framework when they are anything else', async () => {
    expect((await ask(PATH, (req) => req.end(), { method: 'GET' })).text).toBe('framework');
    expect((await ask('/v1/models', (req) => req.end())).text).toBe('framework');
    expect(bodies).toEqual([]);
  });

  it('are taken with a query in their address, as clients of Azure and of betas send them', async () => {
    expect((await ask(`${PATH}?api-version=2025-01-01`, (req) => req.end('{}'))).text).toBe('taken');
    expect(bodies).toEqual(['{}']);
  });

  it('are refused for want of memory when the bodies of all together would take too much (spec TL-8)', async () => {
    let answerFirst: () => void = () => undefined;
    handle = () => new Promise((resolve) => (answerFirst = resolve));
    const half = Buffer.alloc(BUDGET_BYTES / 2 + UNCOUNTED_BYTES_MAX);
    const first = ask(PATH, (req) => req.end(half));
    await waitUntil(async () => budget.bytesTaken > half.length);
    const second = await ask(PATH, (req) => req.end(half));
    expect(second).toMatchObject({ status: 503, headers: { connection: 'close', 'retry-after': '1' } });
    expect(JSON.parse(second.text).error.code).toBe('overloaded');
    handle = async (body) => void bodies.push(body.toString());
    expect((await ask(PATH, (req) => req.end('small'))).text).toBe('taken');
    answerFirst();
    expect((await first).text).toBe('taken');
    await waitUntil(async () => budget.bytesTaken === 0);
    expect((await ask(PATH, (req) => req.end(half))).text).toBe('taken');
  });

  it('on one connection are taken one after the other, each when its answer can go out', async () => {
    const answers: (() => void)[] = [];
    handle = (body) => {
      bodies.push(body.toString());
      return new Promise((resolve) => answers.push(resolve));
    };
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    socket.write(`${head(1)}a${head(1)}bGET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n${head(1)}c`);
    for (const count of [1, 2, 3]) {
      await waitUntil(() => answers.length === count);
      expect(bodies).toEqual(['a', 'b', 'c'].slice(0, count));
      answers[count - 1]?.();
    }
    await waitUntil(() => text.match(/taken|framework/g)?.length === 4);
    expect(text.match(/taken|framework/g)).toEqual(['taken', 'taken', 'framework', 'taken']);
    socket.destroy();
  });

  it('behind another are not begun where their client has left meanwhile, and take no memory', async () => {
    const answer = holdAnswers();
    const socket = connect(port, '127.0.0.1');
    // Small: what is too long to be read meanwhile also keeps the server from seeing the end of the connection.
    socket.write(`${head(1)}a${head(1_000)}${'b'.repeat(1_000)}`);
    await waitUntil(() => bodies.length === 1);
    socket.destroy();
    await waitUntil(async () => (await connections()) === 0);
    answer();
    expect((await ask('/v1/models', (req) => req.end())).text).toBe('framework');
    expect([bodies, budget.bytesTaken]).toEqual([['a'], 0]);
  });

  it('behind another with a body that is too long to wait are refused, and the one ahead is not harmed', async () => {
    const answer = holdAnswers();
    let behind: IncomingMessage | null = null as IncomingMessage | null;
    server.on('request', (req) => (behind = req.headers['content-length'] === String(MEBIBYTE) ? req : behind));
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    socket.write(`${head(1)}a${head(MEBIBYTE)}${'b'.repeat(MEBIBYTE / 2)}`);
    await waitUntil(() => bodies.length === 1);
    await waitUntil(() => behind !== null);
    answer();
    await waitUntil(() => text.includes('taken'));
    socket.write(`${'b'.repeat(MEBIBYTE / 2)}GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n`);
    await waitUntil(() => text.includes('framework'));
    socket.destroy();
    expect(text.match(/HTTP\/1.1 \d+|taken|framework|cannot wait behind another/g)).toEqual([
      'HTTP/1.1 200',
      'taken',
      'HTTP/1.1 400',
      'cannot wait behind another',
      'HTTP/1.1 200',
      'framework',
    ]);
    expect([bodies, budget.bytesTaken]).toEqual([['a'], 0]);
  });

  it('of HTTP/1.0 behind another are not told to go on when they are refused: such clients take that for the answer', async () => {
    const answer = holdAnswers();
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    const old = `POST ${PATH} HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\nexpect: 100-continue\r\n`;
    socket.write(`${head(1)}a${old}content-length: ${MEBIBYTE}\r\n\r\n${'b'.repeat(MEBIBYTE)}`);
    await waitUntil(() => bodies.length === 1);
    answer();
    await waitUntil(() => text.includes('cannot wait behind another'));
    expect(text.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400']);
    socket.destroy();
  });

  it('behind another that cannot be met are refused at their turn, and the connection goes on', async () => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    const start = `POST ${PATH} HTTP/1.1\r\n`;
    socket.write(`${head(1)}a${start}content-length: 1\r\n\r\nb${start}host: x\r\nexpect: miracles\r\n\r\n${head(1)}d`);
    await waitUntil(() => text.match(/taken/g)?.length === 2);
    expect(text.match(/HTTP\/1.1 \d+|"code":"\w+"|taken/g)).toEqual([
      'HTTP/1.1 200',
      'taken',
      'HTTP/1.1 400',
      '"code":"invalid_body"',
      'HTTP/1.1 417',
      '"code":"expectation_failed"',
      'HTTP/1.1 200',
      'taken',
    ]);
    expect(bodies).toEqual(['a', 'd']);
    socket.destroy();
  });

  it.each([
    ['100-continue', 10, 'HTTP/1.1 100,HTTP/1.1 200,taken'],
    ['100-continue', MEBIBYTE, 'HTTP/1.1 400,"code":"invalid_body"'],
    ['miracles', 10, 'HTTP/1.1 417,"code":"expectation_failed"'],
    ['miracles', MEBIBYTE, 'HTTP/1.1 417,"code":"expectation_failed"'],
  ])('behind another that expect %s for their %d bytes are answered at their turn', async (expectation, bytes, answers) => {
    const answer = holdAnswers();
    const socket = connect(port, '127.0.0.1');
    let text = '';
    let isOver = false;
    socket.on('data', (chunk) => (text += chunk));
    socket.on('end', () => (isOver = true));
    socket.write(`${head(1)}a`);
    socket.write(`POST ${PATH} HTTP/1.1\r\nhost: x\r\nexpect: ${expectation}\r\ncontent-length: ${bytes}\r\n\r\n`);
    await waitUntil(() => bodies.length === 1);
    answer();
    handle = async (body) => void bodies.push(body.toString());
    await waitUntil(() => isOver || text.includes('100 Continue'));
    if (!isOver) socket.write('b'.repeat(bytes));
    await waitUntil(() => text.match(/taken/g)?.length === 2 || isOver);
    expect(text.match(/HTTP\/1.1 \d+|"code":"\w+"|taken/g)?.join()).toBe(`HTTP/1.1 200,taken,${answers}`);
    expect(isOver).toBe(bodies.length === 1);
    socket.destroy();
  });

  it('whose expectation nobody meets end their connection, unless their body is there: else the next would be read as it', async () => {
    const start = `POST ${PATH} HTTP/1.1\r\nhost: x\r\nexpect: miracles\r\n`;
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    socket.write(`${start}content-length: 0\r\n\r\n${start}content-length: 40\r\n\r\n`);
    await once(socket, 'end');
    expect(text.match(/HTTP\/1.1 \d+|connection: [\w-]+/gi)).toEqual([
      'HTTP/1.1 417',
      'Connection: keep-alive',
      'HTTP/1.1 417',
      'connection: close',
    ]);
  });

  it('that expect to be asked and did not wait for it are refused without harm to the answer ahead', async () => {
    const answer = holdAnswers();
    answerText = 'a'.repeat(300_000);
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    socket.write(`${head(1)}a`);
    await waitUntil(() => bodies.length === 1);
    const start = `POST ${PATH} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n`;
    const behind = once(server, 'checkContinue');
    socket.write(`${start}content-length: ${MEBIBYTE}\r\n\r\n${'b'.repeat(MEBIBYTE / 2)}`);
    socket.pause();
    const [, refusal] = (await behind) as [IncomingMessage, ServerResponse];
    answer();
    await waitUntil(() => refusal.socket !== null);
    socket.write('b'.repeat(MEBIBYTE / 2));
    socket.write('GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n');
    socket.resume();
    await waitUntil(() => text.includes('framework'));
    expect(text.match(/HTTP\/1.1 \d+|aaa+/g)?.map((found) => found.slice(0, 12))).toEqual([
      'HTTP/1.1 200',
      'aaaaaaaaaaaa',
      'HTTP/1.1 100',
      'HTTP/1.1 400',
      'HTTP/1.1 200',
    ]);
    expect(text).toContain(answerText);
    socket.destroy();
  });

  it('behind one whose body was there when they were to be asked for theirs are taken', async () => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    const asking = `POST ${PATH} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\nb`;
    socket.write(`${head(1)}a${asking}${head(1)}c`);
    await waitUntil(() => text.match(/taken/g)?.length === 3);
    expect(bodies).toEqual(['a', 'b', 'c']);
    socket.destroy();
  });

  it('whose client was told that they came too late are not taken, though the rest comes', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write(`${head(2)}a`);
    const [req] = (await once(server, 'request')) as [IncomingMessage];
    req.socket.end('HTTP/1.1 408 Request Timeout\r\n\r\n');
    const over = once(req, 'end');
    socket.write('b');
    await over;
    expect(bodies).toEqual([]);
    expect(budget.bytesTaken).toBe(0);
    socket.destroy();
  });

  it.each([
    ['of calls', head(0)],
    ['without a host', `POST ${PATH} HTTP/1.1\r\n\r\n`],
    ['that expect what nobody does', `POST ${PATH} HTTP/1.1\r\nhost: x\r\nexpect: miracles\r\n\r\n`],
  ])('of which too many (%s) wait on one connection end it', async (_kind, waiting) => {
    let requests = 0;
    for (const event of ['request', 'checkExpectation']) server.on(event, () => (requests += 1));
    handle = (body) => {
      bodies.push(body.toString());
      return new Promise(() => undefined);
    };
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(`${head(1)}a`);
    await waitUntil(() => bodies.length === 1);
    socket.write(waiting.repeat(WAITING_MAX));
    await waitUntil(() => requests === 1 + WAITING_MAX);
    expect(await connections()).toBe(1);
    socket.write(waiting.repeat(100_000));
    await waitUntil(async () => (await connections()) === 0);
    expect(requests).toBeLessThan(10_000);
    expect(bodies).toEqual(['a']);
  });

  it('behind one whose client was given little time to take the rest of its answer have as much as others', async () => {
    const timeouts: number[] = [];
    server.on('request', ({ socket }) => {
      handle = async () => {
        timeouts.push(socket.timeout ?? 0);
        socket.setTimeout(60_000);
      };
    });
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    socket.write(`${head(1)}a${head(1)}b`);
    await waitUntil(() => text.match(/taken/g)?.length === 2);
    expect(timeouts).toEqual([0, 0]);
    socket.destroy();
  });

  it('give their memory back when their client leaves before they have arrived', async () => {
    const req = request({ port, host: '127.0.0.1', path: PATH, method: 'POST' });
    req.on('error', () => undefined);
    req.write(Buffer.alloc(MEBIBYTE));
    await waitUntil(async () => budget.bytesTaken > MEBIBYTE);
    req.destroy();
    await waitUntil(async () => budget.bytesTaken === 0);
    expect(bodies).toEqual([]);
  });

  it('keep their memory for as long as the call that they became, though their client has left', async () => {
    let held: BodyLease | null = null;
    handle = async (_body, lease) => {
      lease.hold();
      held = lease;
      await new Promise(() => undefined);
    };
    const req = request({ port, host: '127.0.0.1', path: PATH, method: 'POST' });
    req.on('error', () => undefined);
    req.end(Buffer.alloc(MEBIBYTE));
    await waitUntil(async () => held !== null);
    let isGone = false;
    req.destroy();
    req.once('close', () => (isGone = true));
    await waitUntil(async () => isGone && (await connections()) === 0);
    expect(budget.bytesTaken).toBeGreaterThan(MEBIBYTE);
    (held as BodyLease | null)?.letGo();
    expect(budget.bytesTaken).toBe(0);
  });

  it('take hardly more than their length, however small their pieces are', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write(`POST ${PATH} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n`);
    const sent = 50_000;
    let most = 0;
    for (let count = 0; count < sent; count += 100) {
      socket.write('1\r\nx\r\n'.repeat(100));
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, budget.bytesTaken);
    }
    socket.write('0\r\n\r\n');
    await waitUntil(() => bodies.length === 1);
    expect(bodies[0]).toHaveLength(sent);
    expect(most).toBeGreaterThan(sent);
    expect(most).toBeLessThanOrEqual(sent + 20 * PIECE_BYTES);
    socket.destroy();
  });

  it('are refused by their declared length before a byte is read (spec TL-8)', async () => {
    const answer = await ask(PATH, (req) => req.flushHeaders(), {
      headers: { 'content-length': String(BODY_BYTES_MAX + 1) },
    });
    expect(answer).toMatchObject({ status: 413, headers: { connection: 'close' } });
    expect(JSON.parse(answer.text).error.code).toBe('request_too_large');
    expect(bodies).toEqual([]);
  });

  it('are refused when the body grows beyond the bound', async () => {
    const piece = Buffer.alloc(8 * 1024 * 1024);
    const answer = await ask(PATH, (req) => {
      for (let bytes = 0; bytes <= BODY_BYTES_MAX; bytes += piece.length) req.write(piece);
      req.end();
    });
    expect(answer.status).toBe(413);
    expect(bodies).toEqual([]);
  });

  it('are never taken in part: a client that leaves in the middle has asked nothing', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write(`POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf`);
    const [req] = (await once(server, 'request')) as [IncomingMessage];
    const closed = once(req, 'close').catch(() => undefined);
    socket.destroy();
    await closed;
    expect(bodies).toEqual([]);
    expect(defects).toEqual([]);
  });

  it('are refused before their body is read while there are too many, and the connection carries the next one (spec TL-13)', async () => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString();
    });
    const body = 'x'.repeat(300_000);
    isOverloaded = true;
    socket.write(`POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n`);
    await waitUntil(() => text.startsWith('HTTP/1.1 503'));
    isOverloaded = false;
    socket.write(`${body}POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nnext`);
    await waitUntil(() => text.includes('taken'));
    expect(bodies).toEqual(['next']);
    socket.destroy();
  });

  it('are answered in the words of their clients when handling them fails', async () => {
    handle = () => Promise.reject(new Error('a defect'));
    const answer = await ask(PATH, (req) => req.end('{}'));
    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.text).error.code).toBe('internal_error');
    expect(defects).toHaveLength(1);
  });
});
