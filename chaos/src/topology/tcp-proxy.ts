import { connect, createServer, type Server, type Socket } from 'node:net';
import { findFreePort } from '@tensorloop/servers/ports';
import type { Link, Pipe } from './link.js';

/** A burst beyond it would be made to wait by TCP for seconds, and the fault would be ours. */
const BACKLOG_CONNECTIONS = 4_096;

export interface TcpProxyOptions {
  targetPort: number;
  /** Whose connection it is, by the client's port. */
  linkOf: (clientPort: number) => Link;
}

/** Bytes waiting for a slow peer above which reading stops. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

/** Stands between two parts on 127.0.0.1 and lets through what their link lets through. */
export class TcpProxy {
  private constructor(
    readonly port: number,
    private readonly server: Server,
    private readonly pipes: Set<Pipe>,
  ) {}

  static async start({ targetPort, linkOf }: TcpProxyOptions): Promise<TcpProxy> {
    const pipes = new Set<Pipe>();
    // Nothing may flow before the link has said what becomes of it.
    const server = createServer({ pauseOnConnect: true, noDelay: true }, (client) => {
      client.on('error', () => client.destroy());
      const link = linkOf(client.remotePort ?? 0);
      if (link.mode === 'cut') {
        client.resetAndDestroy();
        return;
      }
      const upstream = connect({ port: targetPort, host: '127.0.0.1', noDelay: true });
      const pipe = { client, server: upstream };
      pipes.add(pipe);
      join(pipe, link, () => pipes.delete(pipe));
    });
    const port = await findFreePort();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, host: '127.0.0.1', backlog: BACKLOG_CONNECTIONS }, resolve);
    });
    return new TcpProxy(port, server, pipes);
  }

  async close(): Promise<void> {
    for (const { client, server } of this.pipes) {
      client.destroy();
      server.destroy();
    }
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}

function join(pipe: Pipe, link: Link, onEnd: () => void): void {
  const { client, server } = pipe;
  const end = () => {
    link.remove(pipe);
    onEnd();
  };
  forward({ from: client, to: server, link, pipe });
  forward({ from: server, to: client, link, pipe });
  client.once('close', () => {
    end();
    server.destroy();
  });
  server.once('close', () => {
    end();
    // What was sent before the end still arrives, unless it was a reset.
    if (!client.destroyed) client.end();
  });
  server.on('error', () => client.resetAndDestroy());
  link.add(pipe);
}

interface Direction {
  from: Socket;
  to: Socket;
  link: Link;
  pipe: Pipe;
}

/** Pieces keep their order: a later one never gets a shorter delay than an earlier one, because it waits for it. */
function forward({ from, to, link }: Direction): void {
  let last: Promise<void> | null = null;
  const deliver = (chunk: Buffer | null) => {
    if (to.destroyed) return;
    if (chunk === null) to.end();
    else if (!to.write(chunk) && to.writableLength > WAITING_BYTES_MAX) {
      from.pause();
      to.once('drain', () => link.mode !== 'blackhole' && from.resume());
    }
  };
  const pass = (chunk: Buffer | null) => {
    const { delayMs } = link;
    if (delayMs === 0 && last === null) {
      deliver(chunk);
      return;
    }
    const due = new Promise<void>((resolve) => setTimeout(resolve, delayMs));
    const mine: Promise<void> = Promise.all([last, due]).then(() => {
      deliver(chunk);
      if (last === mine) last = null;
    });
    last = mine;
  };
  from.on('data', pass);
  from.on('end', () => pass(null));
}
