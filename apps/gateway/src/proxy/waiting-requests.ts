import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { announcedBytes } from './passed-bodies.js';
import { UNCOUNTED_BYTES_MAX } from './request-bodies.js';

/** Of one connection. Whoever sends more before it has an answer is no client that exists. */
export const WAITING_MAX = 16;

/** What waits on one connection. */
interface Line {
  requests: number;
  bytes: number;
}

/**
 * Requests that came before the one ahead of them on their connection was answered. Until then a response has no socket, and would
 * never hear that its client has left: such a request is begun when its turn comes. Node bounds only the answers that wait, so
 * what waits here is bounded.
 */
export class WaitingRequests {
  private readonly lines = new WeakMap<Socket, Line>();

  /** Calls `begin` when it is the request's turn, with whether its body can be read; never, where the connection ends before. */
  add({ req, res }: { req: IncomingMessage; res: ServerResponse }, begin: (isReadable: boolean) => void): void {
    const { socket } = req;
    // Parsed from the same bytes as the one for which the connection was ended.
    if (socket.destroyed) return;
    const line = this.lineOf(socket);
    if (line.requests === WAITING_MAX) {
      socket.destroy();
      return;
    }
    const bytes = announcedBytes(req);
    const isReadable = line.bytes + bytes <= UNCOUNTED_BYTES_MAX;
    line.requests += 1;
    // A longer one would wait on the wire, and Node takes a request that does not arrive whole in time for its client's fault.
    if (isReadable) line.bytes += bytes;
    else req.resume();
    res.once('socket', () => {
      line.requests -= 1;
      if (isReadable) line.bytes -= bytes;
      // Node writes what is queued in the response right after this event.
      queueMicrotask(() => {
        if (!socket.destroyed && !socket.writableEnded) begin(isReadable);
      });
    });
  }

  private lineOf(socket: Socket): Line {
    let line = this.lines.get(socket);
    if (line === undefined) {
      line = { requests: 0, bytes: 0 };
      this.lines.set(socket, line);
    }
    return line;
  }
}
