import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { AccountSettled } from '@tensorloop/contracts/settle-ack';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { ACK_RETRY_MS, SettleAcks } from './settle-acks.service.js';

function settledOf(requestIds: string[]) {
  return { v: 1 as const, accounts: [{ accountTag: 'abcdEFGH', requestIds, totals: [] }] };
}

describe('settle-acks', () => {
  let isRedisUp = true;
  let dropped: string[] = [];
  let steps: string[] = [];
  let problems = 0;
  let batches: boolean[] = [];
  let acks: SettleAcks;

  beforeEach(() => {
    jest.useFakeTimers();
    isRedisUp = true;
    dropped = [];
    steps = [];
    problems = 0;
    batches = [];
    acks = new SettleAcks({
      admission: {
        acknowledge: async ({ requestIds }: AccountSettled) => {
          steps.push('told Redis');
          if (!isRedisUp) throw new Error('Redis is away');
          return requestIds.length;
        },
      },
      journal: {
        noteCommitted: (requestIds) => steps.push(...requestIds.map(() => 'committed')),
        acknowledge: (requestIds) => {
          dropped.push(...requestIds);
          return [...requestIds];
        },
      },
      redis: { forget: () => undefined },
      shipper: { forget: () => undefined, noteTakesBatches: (takesBatches) => batches.push(takesBatches) },
      onProblem: () => problems++,
    });
  });
  afterEach(() => void jest.useRealTimers());

  it('leave the journal once Redis has taken them', async () => {
    const ids = [uuid7(), uuid7()];
    await acks.apply(settledOf(ids));
    expect(dropped).toEqual(ids);
  });

  it('take their calls out of any rebuild before Redis is told: one in between would assert them for ever', async () => {
    await acks.apply(settledOf([uuid7()]));
    expect(steps).toEqual(['committed', 'told Redis']);
  });

  it('that Redis did not take stay in the journal, wait, and are applied when it is back, each once', async () => {
    const ids = [uuid7(), uuid7(), uuid7()];
    isRedisUp = false;
    for (const id of ids) await acks.apply(settledOf([id]));
    await jest.advanceTimersByTimeAsync(ACK_RETRY_MS * 3);
    expect(dropped).toEqual([]);
    isRedisUp = true;
    await jest.advanceTimersByTimeAsync(ACK_RETRY_MS * 2);
    expect([...dropped].sort()).toEqual([...ids].sort());
    await jest.advanceTimersByTimeAsync(ACK_RETRY_MS * 5);
    expect(dropped).toHaveLength(ids.length);
  });

  it('say whether metering takes several calls in one message, and one that does not say so does not', async () => {
    await acks.apply({ ...settledOf([uuid7()]), takesBatches: true });
    await acks.apply(settledOf([uuid7()]));
    expect(batches).toEqual([true, false]);
  });

  it('that wait are one problem, not one per message', async () => {
    isRedisUp = false;
    for (let count = 0; count < 10; count++) await acks.apply(settledOf([uuid7()]));
    await jest.advanceTimersByTimeAsync(ACK_RETRY_MS * 5);
    expect(problems).toBe(1);
  });
});
