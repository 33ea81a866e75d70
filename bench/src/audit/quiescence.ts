import { setTimeout as delay } from 'node:timers/promises';

const POLL_INTERVAL_MS = 200;
const PROGRESS_INTERVAL_MS = 2_000;
/** Nothing pending has to be seen this often in a row: the numbers are read one after the other, not at one instant. */
const QUIET_READINGS = 2;

/** What is still on its way to the ledger, by the place where it waits. */
export type Pending = Record<string, number>;

export interface QuiescenceOptions {
  timeoutMs: number;
  onProgress: (line: string) => void;
}

/**
 * Waits until nothing is under way. Returns false when something still is after the bound: the audit then goes on, and
 * its checks say what is stuck.
 */
export async function waitForQuiescence(readPending: () => Promise<Pending>, options: QuiescenceOptions): Promise<boolean> {
  const deadline = performance.now() + options.timeoutMs;
  let nextProgress = performance.now() + PROGRESS_INTERVAL_MS;
  let quiet = 0;
  for (;;) {
    const pending = Object.entries(await readPending()).filter(([, count]) => count > 0);
    quiet = pending.length === 0 ? quiet + 1 : 0;
    if (quiet === QUIET_READINGS) return true;
    if (performance.now() >= deadline) return false;
    if (performance.now() >= nextProgress) {
      options.onProgress(
        `waiting for calls under way: ${pending.map(([place, count]) => `${place} ${count}`).join(', ') || 'settling'}`,
      );
      nextProgress = performance.now() + PROGRESS_INTERVAL_MS;
    }
    await delay(POLL_INTERVAL_MS);
  }
}
