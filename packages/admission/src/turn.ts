import type { Redis } from 'ioredis';

/** What one connection is asked for within one turn of the event loop. */
export interface Turn {
  /** What is written from here on leaves at the end of the turn. */
  gatherWrites(): void;
  /** Runs `work` at the end of the turn, before what was gathered leaves. */
  atEnd(work: () => void): void;
}

const turns = new WeakMap<Redis, ConnectionTurn>();

export function turnOf(redis: Redis): Turn {
  let turn = turns.get(redis);
  if (turn === undefined) {
    turn = new ConnectionTurn(redis);
    turns.set(redis, turn);
  }
  return turn;
}

/**
 * Everything that one turn of the event loop asks of Redis leaves in one write: under load the system call for a command costs
 * more than all that the gateway does for it. Nothing waits for company, because the write follows in the same turn.
 */
class ConnectionTurn implements Turn {
  private corked: Redis['stream'] | null = null;
  private works: (() => void)[] = [];
  private isScheduled = false;

  constructor(private readonly redis: Redis) {}

  gatherWrites(): void {
    const { stream } = this.redis;
    // A connection that is not there yet, or not any more, has nothing to write to: the command itself then says so.
    if (this.corked !== null || stream === undefined || stream.destroyed) return;
    this.corked = stream;
    stream.cork();
    this.schedule();
  }

  atEnd(work: () => void): void {
    this.works.push(work);
    this.schedule();
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => this.end());
  }

  private end(): void {
    const { works } = this;
    this.works = [];
    try {
      for (const work of works) work();
    } finally {
      // Only now: what the works asked for is gathered as well, and another turn has not begun.
      this.isScheduled = false;
      this.corked?.uncork();
      this.corked = null;
    }
  }
}
