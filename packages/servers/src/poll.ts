import { setTimeout as delay } from 'node:timers/promises';

const POLL_INTERVAL_MS = 15;

export interface PollOptions {
  timeoutMs: number;
  /** Finishes "… within N ms": what is being waited for, as in "Redis did not answer". */
  failure: string;
}

/** Repeats `attempt` until it returns true. Throws after `timeoutMs`, naming the last error. */
export async function poll(attempt: () => Promise<boolean>, options: PollOptions): Promise<void> {
  const deadline = performance.now() + options.timeoutMs;
  let lastError: unknown;
  do {
    try {
      if (await attempt()) return;
      lastError = undefined;
    } catch (error) {
      if (error instanceof GivenUp) throw error;
      lastError = error;
    }
    await delay(POLL_INTERVAL_MS);
  } while (performance.now() < deadline);
  const reason = lastError instanceof Error ? `: ${lastError.message}` : '';
  throw new Error(`${options.failure} within ${options.timeoutMs} ms${reason}`, { cause: lastError });
}

/** Thrown inside `attempt` when no further attempt can succeed. */
export class GivenUp extends Error {}
