import type { Socket } from 'node:net';

/**
 * What the network between two parts does.
 *
 * | mode        | what happens                                                                        |
 * |-------------|-------------------------------------------------------------------------------------|
 * | `open`      | bytes pass                                                                          |
 * | `cut`       | connections are reset, new ones too                                                 |
 * | `blackhole` | nothing passes and nobody is told; bytes on their way arrive once it is open again |
 * | `slow`      | every piece arrives `delayMs` later, in order                                       |
 */
export type LinkMode = 'open' | 'cut' | 'blackhole' | 'slow';

/** One connection through the link: client side, server side. */
export interface Pipe {
  client: Socket;
  server: Socket;
}

/** The connections between two parts, and what they suffer. */
export class Link {
  private readonly pipes = new Set<Pipe>();
  private current: LinkMode = 'open';
  private currentDelayMs = 0;

  constructor(readonly name: string) {}

  get mode(): LinkMode {
    return this.current;
  }
  get delayMs(): number {
    return this.current === 'slow' ? this.currentDelayMs : 0;
  }
  get connections(): number {
    return this.pipes.size;
  }

  set(mode: LinkMode, delayMs = 0): void {
    this.current = mode;
    this.currentDelayMs = delayMs;
    for (const pipe of this.pipes) this.apply(pipe);
  }

  add(pipe: Pipe): void {
    this.pipes.add(pipe);
    this.apply(pipe);
  }

  remove(pipe: Pipe): void {
    this.pipes.delete(pipe);
  }

  private apply({ client, server }: Pipe): void {
    if (this.current === 'cut') {
      client.resetAndDestroy();
      server.resetAndDestroy();
    } else if (this.current === 'blackhole') {
      client.pause();
      server.pause();
    } else {
      client.resume();
      server.resume();
    }
  }
}
