import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Answers no sooner than after `leastMs`, so that it cannot be told from the time whether there was something to do. What
 * takes longer is the same work for everybody.
 */
export async function answerAfter<T>(leastMs: number, work: () => Promise<T>): Promise<T> {
  const [result] = await Promise.allSettled([work(), sleep(leastMs)]);
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}
