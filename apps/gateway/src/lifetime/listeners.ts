import type { Server } from 'node:http';
import { type AddressInfo, createServer, type ListenOptions, type Server as NetServer } from 'node:net';
import type { FastifyInstance } from 'fastify';

/**
 * libuv takes one connection per listening socket and turn of the loop. With calls under way a turn is some milliseconds, so a burst of
 * new clients (a deployment of theirs, a gateway beside this one that died) would wait for seconds at a port with one socket.
 */
export const LISTENERS = 64;
/** Only Linux spreads connections over the sockets that share a port. */
const CAN_SHARE = process.platform === 'linux';

/** Further sockets at the port of an HTTP server. Whose socket a connection came by makes no difference to it. */
export class Listeners {
  private readonly further: NetServer[] = [];

  constructor(private readonly server: Server) {}

  /** Options for the server's own socket. Rejects when someone else has the port: who shares ports would not notice. */
  async optionsOf<Wanted extends ListenOptions>(wanted: Wanted): Promise<Wanted> {
    if (!CAN_SHARE) return wanted;
    if (wanted.port !== 0) await closed(await listening(createServer(), wanted));
    return { ...wanted, reusePort: true };
  }

  /** Once the server itself listens. */
  async open(wanted: ListenOptions): Promise<void> {
    if (!CAN_SHARE) return;
    const { port } = this.server.address() as AddressInfo;
    while (this.further.length < LISTENERS - 1) {
      // As an HTTP server makes its own sockets: a client may end its side and still read the answer.
      const listener = createServer({ allowHalfOpen: true, noDelay: true });
      listener.on('connection', (socket) => this.server.emit('connection', socket));
      this.further.push(await listening(listener, { ...wanted, port, reusePort: true }));
    }
  }

  /** As the framework closes, no further connection is taken; it has not closed before those that were taken are over. */
  closeWith(fastify: Pick<FastifyInstance, 'addHook'>): void {
    let over: Promise<unknown> = Promise.resolve();
    fastify.addHook('preClose', (done) => {
      over = Promise.all(this.further.splice(0).map(closed));
      done();
    });
    fastify.addHook('onClose', async () => {
      await over;
    });
  }
}

function listening(server: NetServer, options: ListenOptions): Promise<NetServer> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve(server);
    });
  });
}

function closed(server: NetServer): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
