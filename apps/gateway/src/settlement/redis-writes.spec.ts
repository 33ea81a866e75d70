import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { RedisWrites } from './redis-writes.service.js';

let isUp: boolean;
let done: string[];
let writes: RedisWrites;

beforeEach(() => {
  isUp = true;
  done = [];
  const answer = <Result>(text: string, result: Result): Promise<Result> => {
    if (!isUp) return Promise.reject(new Error('no connection'));
    done.push(text);
    return Promise.resolve(result);
  };
  writes = new RedisWrites({
    settle: (tag, id, amount) =>
      answer(`settle ${tag} ${id} ${amount}`, { outcome: 'settled', amountNanoUsd: amount, excessNanoUsd: 0n }),
    settleWithTokens: (tag, id, { amountNanoUsd, tokens }) =>
      answer(`settle ${tag} ${id} ${amountNanoUsd} ${tokens}`, { outcome: 'settled', amountNanoUsd, excessNanoUsd: 0n }),
    release: (tag, id) => answer(`release ${tag} ${id}`, { outcome: 'released', amountNanoUsd: 0n }),
  });
});
afterEach(() => writes.close());

describe('writes to Redis', () => {
  it('are repeated until Redis answers', async () => {
    isUp = false;
    await writes.settle('account1', 'a', 5n);
    await writes.release('account1', 'b');
    expect(writes.size).toBe(2);
    isUp = true;
    await waitUntil(() => writes.size === 0);
    expect(done).toEqual(['settle account1 a 5', 'release account1 b']);
  });

  it('carry the tokens of a call whose key has a token limit, also when repeated', async () => {
    isUp = false;
    await writes.settleWithTokens('account1', 'a', { amountNanoUsd: 5n, tokens: 7 });
    isUp = true;
    await waitUntil(() => writes.size === 0);
    expect(done).toEqual(['settle account1 a 5 7']);
  });

  it('are given up once metering has counted the call', async () => {
    isUp = false;
    await writes.settle('account1', 'a', 5n);
    writes.forget('a');
    expect(writes.size).toBe(0);
  });
});
