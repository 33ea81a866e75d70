import type { ServerResponse } from 'node:http';
import type { LiveEvent } from './events.types.js';

/** A client that has left so much untaken is cut off: it comes back and is told what it missed. */
const UNTAKEN_BYTES_MAX = 64 * 1024;
/** What a browser waits before it comes back. */
const RETRY_MS = 2_000;

/** One answer of server-sent events (WHATWG HTML §9.2). What is sent before it begins is kept until then. */
export class EventStream {
  private waiting: string[] | null = [];

  constructor(private readonly res: ServerResponse) {}

  /** Called once, whoever ends the stream. */
  onEnd(ended: () => void): void {
    this.res.once('close', ended);
    if (this.res.closed) ended();
  }

  begin(): void {
    this.res.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      // Nothing follows a stream on its connection: one that was kept would keep a server from closing.
      connection: 'close',
      // Proxies that gather answers would make the stream late.
      'x-accel-buffering': 'no',
    });
    const waiting = this.waiting ?? [];
    this.waiting = null;
    this.write(`retry: ${RETRY_MS}\n\n${waiting.join('')}`);
  }

  send(event: LiveEvent): void {
    const data = event.type === 'changed' ? { kinds: event.kinds } : {};
    const id = event.id === null ? '' : `id: ${event.id}\n`;
    this.write(`${id}event: ${event.type}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  beat(): void {
    this.write(': still here\n\n');
  }

  end(): void {
    this.res.end();
  }

  private write(text: string): void {
    if (this.waiting !== null) this.waiting.push(text);
    else if (this.res.writableLength > UNTAKEN_BYTES_MAX) this.res.destroy();
    else if (!this.res.writableEnded) this.res.write(text);
  }
}
