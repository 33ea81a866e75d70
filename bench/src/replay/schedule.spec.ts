import { expect, it } from '@jest/globals';
import { runSchedule } from './schedule.js';

it('runs every job once, never more at a time than allowed', async () => {
  const started: number[] = [];
  let running = 0;
  let runningMax = 0;
  await runSchedule({ count: 50, concurrency: 4, dueMs: null }, async (index) => {
    started.push(index);
    runningMax = Math.max(runningMax, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
  });
  expect(started).toEqual(Array.from({ length: 50 }, (_, index) => index));
  expect(runningMax).toBe(4);
});

it('starts no job before its time, and says how late the latest was', async () => {
  const beganAtMs = performance.now();
  const lateMsMax = await runSchedule({ count: 5, concurrency: 1, dueMs: (index) => index * 10 }, async (index) => {
    // Timers of Node may fire up to a millisecond early.
    expect(performance.now() - beganAtMs).toBeGreaterThanOrEqual(index * 10 - 1);
  });
  expect(lateMsMax).toBeGreaterThanOrEqual(0);
});

it('an error ends the run', async () => {
  const job = async () => {
    throw new Error('broken');
  };
  await expect(runSchedule({ count: 5, concurrency: 2, dueMs: null }, job)).rejects.toThrow('broken');
});
