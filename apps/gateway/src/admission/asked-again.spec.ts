import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { RpcFailure } from '@tensorloop/contracts/rpc';
import { RPC_TIMEOUT_MS } from '@tensorloop/nest-kit/rpc';
import { ASK_AGAIN_MS, ASKS_MAX, askAgain } from './asked-again.js';

type Reply = { ok: true; from: number } | RpcFailure;

/** Replicas in the order in which they are asked: an answer, or null = stands still until the question has timed out. */
function service(answers: (Reply | null)[]) {
  const timeouts: number[] = [];
  const ask = (timeoutMs: number): Promise<Reply> => {
    const answer = answers[timeouts.length] ?? null;
    timeouts.push(timeoutMs);
    if (answer !== null) return Promise.resolve(answer);
    return new Promise((resolve) => setTimeout(() => resolve({ ok: false, code: 'rpc_timeout', message: '' }), timeoutMs));
  };
  return { ask: ask as (timeoutMs: number) => Promise<{ ok: true; from: number } | RpcFailure>, timeouts };
}
const failure = (code: string): Reply => ({ ok: false, code, message: '' });

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

describe('a question to several replicas', () => {
  it('is asked once where the first answers', async () => {
    const { ask, timeouts } = service([{ ok: true, from: 0 }]);
    expect(await askAgain(ask)).toEqual({ ok: true, from: 0 });
    await jest.advanceTimersByTimeAsync(RPC_TIMEOUT_MS);
    expect(timeouts).toEqual([RPC_TIMEOUT_MS]);
  });

  it('is answered by the second where the first stands still', async () => {
    const { ask } = service([null, { ok: true, from: 1 }]);
    const answer = askAgain(ask);
    await jest.advanceTimersByTimeAsync(ASK_AGAIN_MS);
    expect(await answer).toEqual({ ok: true, from: 1 });
  });

  it('is answered by the second where the first has lost its database', async () => {
    const { ask } = service([failure('internal'), { ok: true, from: 1 }]);
    const answer = askAgain(ask);
    await jest.advanceTimersByTimeAsync(ASK_AGAIN_MS);
    expect(await answer).toEqual({ ok: true, from: 1 });
  });

  it('that nobody answers fails within the time of one, after a bounded number of tries', async () => {
    const { ask, timeouts } = service([]);
    const answer = askAgain(ask);
    await jest.advanceTimersByTimeAsync(RPC_TIMEOUT_MS);
    expect(await answer).toMatchObject({ ok: false, code: 'rpc_timeout' });
    expect(timeouts).toHaveLength(ASKS_MAX);
    // Asked at 0, 250, 750 and 1,750 ms: whoever is slow is asked ever less often.
    expect(timeouts.map((timeoutMs) => RPC_TIMEOUT_MS - timeoutMs)).toEqual([0, 1, 3, 7].map((times) => times * ASK_AGAIN_MS));
  });

  it.each(['rpc_unreachable', 'replaying'])('fails at once where asking again is of no use: %s', async (code) => {
    const { ask, timeouts } = service([failure(code)]);
    expect(await askAgain(ask)).toMatchObject({ code });
    await jest.advanceTimersByTimeAsync(RPC_TIMEOUT_MS);
    expect(timeouts).toHaveLength(1);
  });
});
