import type { Redis } from 'ioredis';
import { withDeadline } from './deadline.js';
import { CALL_TIMEOUT_MS } from './redis-options.js';

/**
 * Follows which Redis process a connection leads to (`run_id` of INFO, new at every start of the process). It is read on
 * each new connection and forgotten when the connection closes, so it always belongs to the connection that the next
 * command goes through. Null while unknown: nothing may be admitted then.
 */
export class RunIdWatch {
  private current: string | null = null;
  private connection = 0;

  constructor(
    private readonly redis: Redis,
    private readonly timeoutMs: number = CALL_TIMEOUT_MS,
  ) {
    redis.on('ready', () => void this.read());
    redis.on('close', () => {
      this.connection++;
      this.current = null;
    });
    if (redis.status === 'ready') void this.read();
  }

  get runId(): string | null {
    return this.current;
  }

  /** Asks the server now. Null when it cannot be reached. */
  async read(): Promise<string | null> {
    const connection = this.connection;
    try {
      const runId = /^run_id:([0-9a-f]+)/m.exec(await withDeadline(this.redis.info('server'), this.timeoutMs))?.[1] ?? null;
      if (connection === this.connection) this.current = runId;
    } catch {
      // The connection is gone or slow; the next 'ready' or the next call asks again.
    }
    return this.current;
  }
}
