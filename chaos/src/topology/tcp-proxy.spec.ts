import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { poll } from '@tensorloop/servers/poll';
import { findFreePort } from '@tensorloop/servers/ports';
import { Link } from './link.js';
import { TcpProxy } from './tcp-proxy.js';

let server: Server;
let proxy: TcpProxy;
let link: Link;
let clients: Client[];

/** One connection through the proxy, and what came of it. */
class Client {
  received = '';
  isClosed = false;
  readonly socket: Socket;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.isClosed = true;
    });
    this.socket.on('data', (chunk) => {
      this.received += chunk.toString();
    });
    clients.push(this);
  }

  async echo(text: string): Promise<void> {
    this.socket.write(text);
    await until(() => this.received.endsWith(text), 'nothing came back');
  }
}

/** A server that sends everything back, behind the proxy. */
beforeEach(async () => {
  clients = [];
  server = createServer((peer) => peer.on('error', () => undefined).pipe(peer));
  const targetPort = await findFreePort();
  await new Promise<void>((resolve) => server.listen(targetPort, '127.0.0.1', resolve));
  link = new Link('a>b');
  proxy = await TcpProxy.start({ targetPort, linkOf: () => link });
});
afterEach(async () => {
  for (const { socket } of clients) socket.destroy();
  await proxy.close();
  await new Promise((resolve) => server.close(resolve));
});

const until = (condition: () => boolean, failure: string) => poll(async () => condition(), { timeoutMs: 5_000, failure });
const open = () => new Client(proxy.port);

describe('a link between two parts', () => {
  it('open: bytes pass both ways, and an end is passed on', async () => {
    const client = open();
    await client.echo('hello');
    client.socket.end();
    await until(() => client.isClosed, 'not closed');
    expect(link.connections).toBe(0);
  });

  it('cut: connections are reset, new ones too, until it is open again', async () => {
    const first = open();
    await first.echo('hello');
    link.set('cut');
    await until(() => first.isClosed, 'not reset');
    const second = open();
    await until(() => second.isClosed, 'not refused');
    link.set('open');
    await open().echo('again');
  });

  it('blackhole: nothing passes and nobody is told; it arrives in order afterwards, on new connections too', async () => {
    const first = open();
    await first.echo('hello');
    link.set('blackhole');
    first.socket.write('lost?');
    const second = open();
    second.socket.write('new');
    await until(() => link.connections === 2, 'not accepted');
    expect([first.received, second.received, first.isClosed, second.isClosed]).toEqual(['hello', '', false, false]);
    link.set('open');
    await until(() => first.received === 'hellolost?' && second.received === 'new', 'not delivered');
  });

  it('slow: every piece arrives later, in order', async () => {
    const client = open();
    link.set('slow', 50);
    const beganAtMs = performance.now();
    client.socket.write('a');
    await until(() => client.received === 'a', 'not delivered');
    expect(performance.now() - beganAtMs).toBeGreaterThanOrEqual(99);
    client.socket.write('b');
    link.set('open');
    client.socket.write('c');
    await until(() => client.received === 'abc', 'not in order');
  });
});
