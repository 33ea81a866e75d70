import { describe, expect, it } from '@jest/globals';
import { ScriptTimeoutError, withDeadline } from './deadline.js';

const TIMEOUT_MS = 10;

/** Keeps the event loop from turning, as a burst of requests or a garbage collection does. */
function stall(durationMs: number): void {
  const until = performance.now() + durationMs;
  while (performance.now() < until);
}

describe('withDeadline', () => {
  it('gives what came in time, be it a value or an error', async () => {
    expect(await withDeadline(Promise.resolve(7), TIMEOUT_MS)).toBe(7);
    await expect(withDeadline(Promise.reject(new Error('refused')), TIMEOUT_MS)).rejects.toThrow('refused');
  });

  it('gives up on what never comes', async () => {
    await expect(withDeadline(new Promise(() => undefined), TIMEOUT_MS)).rejects.toBeInstanceOf(ScriptTimeoutError);
  });

  it('does not blame the other side for a stall of this process', async () => {
    // Arrives with the sockets, right after the timers of the turn that follows the stall.
    const answer = new Promise((resolve) => setImmediate(resolve, 'answered'));
    const waiting = withDeadline(answer, TIMEOUT_MS);
    stall(TIMEOUT_MS * 2);
    expect(await waiting).toBe('answered');
  });

  it('waits on for an answer that the machine, standing still with both, made late', async () => {
    const answer = new Promise((resolve) => setTimeout(resolve, TIMEOUT_MS * 4, 'answered'));
    const waiting = withDeadline(answer, TIMEOUT_MS);
    stall(TIMEOUT_MS * 3.5);
    expect(await waiting).toBe('answered');
  });

  it('gives up after a stall too when nothing comes', async () => {
    const waiting = withDeadline(new Promise(() => undefined), TIMEOUT_MS);
    stall(TIMEOUT_MS * 4);
    await expect(waiting).rejects.toBeInstanceOf(ScriptTimeoutError);
  });
});
