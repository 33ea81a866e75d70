import { setTimeout as delay } from 'node:timers/promises';

export interface Schedule {
  count: number;
  concurrency: number;
  /** Milliseconds after the begin at which job `index` may start; null = at once. */
  dueMs: ((index: number) => number) | null;
}

/**
 * Runs jobs 0 … count−1 in order, at most `concurrency` at a time. Returns by how many milliseconds the latest start came
 * after its due time: with arrival times, a large figure says that the bound and not the trace set the pace.
 */
export async function runSchedule(schedule: Schedule, job: (index: number) => Promise<void>): Promise<number> {
  const beganAtMs = performance.now();
  let next = 0;
  let lateMsMax = 0;
  const worker = async () => {
    while (next < schedule.count) {
      const index = next++;
      const dueMs = schedule.dueMs?.(index);
      if (dueMs !== undefined) {
        const waitMs = dueMs - (performance.now() - beganAtMs);
        // Timers cut fractions off, and a call before its time would be a trace that nobody recorded.
        if (waitMs > 0) await delay(Math.ceil(waitMs));
        else lateMsMax = Math.max(lateMsMax, -waitMs);
      }
      await job(index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(schedule.concurrency, schedule.count) }, worker));
  return lateMsMax;
}
