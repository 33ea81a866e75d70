import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { OpenEntry } from '@tensorloop/admission/admission.types';
import { SlotMap } from '@tensorloop/kernel/slot-map';
import type { JournalEntry } from '../journal/journal.types.js';
import { LOST_AFTER_MS, OwnerlessHolds, SECOND_LOOK_MS } from './ownerless-holds.service.js';

const OWN = 'gw-own';
const OTHER = 'gw-other';
const ACCOUNT = 'account1';

let held: Map<string, OpenEntry>;
let journal: SlotMap<JournalEntry>;
let released: string[];
let live: string[] | null;
let nowMs: number;
let holds: OwnerlessHolds;
let redisIsAway: boolean;
let problems: unknown[];

beforeEach(() => {
  held = new Map();
  journal = new SlotMap();
  released = [];
  live = [OWN, OTHER];
  nowMs = 0;
  redisIsAway = false;
  problems = [];
  holds = new OwnerlessHolds({
    gatewayId: OWN,
    journal: { entries: journal },
    writes: {
      release: async (_accountTag, requestId) => {
        held.delete(requestId);
      },
    },
    view: {
      async *listAccountTags() {
        if (redisIsAway) throw new Error('no Redis');
        yield ACCOUNT;
      },
      listOpen: async () => [...held.values()],
    },
    listLive: () => (live === null ? Promise.reject(new Error('no NATS')) : Promise.resolve(live)),
    onReleased: (hold) => released.push(hold.requestId),
    onProblem: (error) => problems.push(error),
    redisNowMs: () => nowMs,
    clock: () => nowMs,
  });
});

function hold(requestId: string, change: Partial<OpenEntry> = {}): void {
  const entry = { requestId, state: 'held', gatewayId: OWN, admittedAtMs: nowMs, amountNanoUsd: 5n, ...change };
  held.set(requestId, entry as OpenEntry);
}

async function lookAfter(waitMs: number): Promise<void> {
  nowMs += waitMs;
  await holds.look();
}

afterEach(() => {
  holds.stop();
  jest.useRealTimers();
});

describe('a hold of this gateway', () => {
  it('is given back soon after the start even if Redis was away at the first look', async () => {
    jest.useFakeTimers();
    hold('left');
    redisIsAway = true;
    holds.start();
    await jest.advanceTimersByTimeAsync(0);
    redisIsAway = false;
    await jest.advanceTimersByTimeAsync(2 * SECOND_LOOK_MS);
    expect(released).toEqual(['left']);
    expect(problems).toHaveLength(1);
  });

  it('that never reached the journal is given back at the second look, whatever its age by any clock', async () => {
    hold('left', { admittedAtMs: Number.MAX_SAFE_INTEGER });
    await holds.look();
    expect(released).toEqual([]);
    await holds.look();
    expect(released).toEqual(['left']);
  });

  it('that is in the journal stays', async () => {
    hold('open');
    journal.set('open', {} as JournalEntry);
    await holds.look();
    await holds.look();
    expect(released).toEqual([]);
  });

  it('whose admission was on its way at the first look stays', async () => {
    hold('arriving');
    await holds.look();
    journal.set('arriving', {} as JournalEntry);
    await holds.look();
    expect(released).toEqual([]);
  });

  it('that has become what the call cost stays', async () => {
    hold('settled', { state: 'settled' });
    await holds.look();
    await holds.look();
    expect(released).toEqual([]);
  });
});

describe('a hold of another gateway', () => {
  it('is given back once that gateway was not seen for a quarter of an hour', async () => {
    hold('lost', { gatewayId: OTHER });
    hold('cost', { gatewayId: OTHER, state: 'settled' });
    live = [OWN];
    await holds.look();
    await lookAfter(LOST_AFTER_MS - 1);
    expect(released).toEqual([]);
    await lookAfter(1);
    expect(released).toEqual(['lost']);
  });

  it('stays while that gateway lives, and the wait begins anew whenever it was seen', async () => {
    hold('kept', { gatewayId: OTHER });
    await holds.look();
    await lookAfter(2 * LOST_AFTER_MS);
    live = [OWN];
    await lookAfter(1);
    live = [OWN, OTHER];
    await lookAfter(LOST_AFTER_MS);
    live = [OWN];
    await lookAfter(1);
    await lookAfter(LOST_AFTER_MS - 1);
    expect(released).toEqual([]);
  });

  it('stays while nobody can say who lives, and that time does not count', async () => {
    hold('kept', { gatewayId: OTHER });
    live = [OWN];
    await holds.look();
    live = null;
    await lookAfter(LOST_AFTER_MS);
    live = [OWN];
    await lookAfter(LOST_AFTER_MS);
    expect(released).toEqual([]);
  });

  it('that it placed only just now, cut off but serving, stays', async () => {
    hold('old', { gatewayId: OTHER });
    live = [OWN];
    await holds.look();
    nowMs += LOST_AFTER_MS;
    hold('fresh', { gatewayId: OTHER });
    await holds.look();
    expect(released).toEqual(['old']);
  });
});
