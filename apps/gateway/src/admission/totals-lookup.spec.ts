import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { AdmissionClient } from '@tensorloop/admission/admission-client';
import type { TotalsGetRequest } from '@tensorloop/contracts/rpc';
import { dayScope, type Scope, type ScopeTotal, windowScope } from '@tensorloop/contracts/settle-ack';
import { RPC } from '@tensorloop/contracts/subjects';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { SOON_AGAIN_MS, SOON_AT_ONCE_MAX, SOON_MS, TotalsLookup } from './totals-lookup.js';

const ACCOUNT = uuid7();
const WINDOW = windowScope(uuid7(), 0);
const OTHER_WINDOW = windowScope(uuid7(), 0);
const total = (scope: Scope): ScopeTotal => ({ scope, totalNanoUsd: '7', version: 1 });

let asked: TotalsGetRequest[];
/** By which subject, in the same order. */
let subjects: string[];
/** Nobody hears what is asked of all. */
let isOldMetering: boolean;
let seeded: Scope[];
let isAway: boolean;
/** Questions that fail, so that they are asked again. */
let failing: number;
/** Resolves when metering answers. */
let answering: Promise<void>;
let lookup: TotalsLookup;

beforeEach(() => {
  asked = [];
  subjects = [];
  isOldMetering = false;
  seeded = [];
  isAway = false;
  failing = 0;
  answering = Promise.resolve();
  const call = async ({ pattern }: { pattern: string }, request: TotalsGetRequest) => {
    asked.push(request);
    subjects.push(pattern);
    await answering;
    if (isAway || (isOldMetering && pattern === RPC.meteringTotalsGetOfAny))
      return { ok: false, code: 'rpc_unreachable', message: '' };
    failing -= 1;
    if (failing >= 0) return { ok: false, code: 'internal', message: '' };
    const scopes = [...request.scopes, ...(request.isWithRecent ? [OTHER_WINDOW] : [])];
    return { ok: true, totals: scopes.map((scope) => total(scope as Scope)) };
  };
  const seedTotals = async (_tag: string, totals: readonly ScopeTotal[]) => {
    seeded.push(...totals.map(({ scope }) => scope));
    return totals.length;
  };
  lookup = new TotalsLookup({ call: call as never }, { seedTotals } as unknown as AdmissionClient);
});

const seed = (accountTag: string, ...scopes: Scope[]) =>
  lookup.seed({ accountTag, accountId: ACCOUNT, scopes, askedAtMs: Date.now() });

describe('totals that Redis lacks', () => {
  it('come with those that other keys of the account will need, so that none of these has to ask', async () => {
    expect(await seed('account1', WINDOW)).toBe(true);
    expect(asked[0]?.isWithRecent).toBe(true);
    expect(seeded).toEqual([WINDOW, OTHER_WINDOW]);
  });

  it('come alone for a while then, and again with the others for another account', async () => {
    await seed('account1', WINDOW);
    await seed('account1', dayScope('2026-11-21'));
    await seed('account2', WINDOW);
    expect(asked.map(({ isWithRecent }) => isWithRecent)).toEqual([true, undefined, true]);
  });

  it('that metering did not tell are unknown, and asked for whole the next time', async () => {
    isAway = true;
    expect(await seed('account1', WINDOW)).toBe(false);
    expect(seeded).toEqual([]);
    isAway = false;
    expect(await seed('account1', WINDOW)).toBe(true);
    expect(asked.map(({ isWithRecent }) => isWithRecent)).toEqual([true, true]);
  });

  it('are asked for again without the others: who could not answer is not asked for more than is needed', async () => {
    failing = 1;
    expect(await seed('account1', WINDOW)).toBe(true);
    expect(asked.map(({ isWithRecent }) => isWithRecent)).toEqual([true, undefined]);
    expect(seeded).toEqual([WINDOW]);
  });

  it('are asked of one metering, and then of all of them, so that one that stands still is not asked again and again', async () => {
    failing = 2;
    expect(await seed('account1', WINDOW)).toBe(true);
    expect(subjects).toEqual([RPC.meteringTotalsGet, RPC.meteringTotalsGetOfAny, RPC.meteringTotalsGetOfAny]);
  });

  it('are asked of one again where no metering hears what is asked of all', async () => {
    failing = 1;
    isOldMetering = true;
    expect(await seed('account1', WINDOW)).toBe(true);
    expect(subjects).toEqual([RPC.meteringTotalsGet, RPC.meteringTotalsGetOfAny, RPC.meteringTotalsGet]);
  });

  it('of a balance come alone: their news are counted', async () => {
    await lookup.learnBalance({ accountTag: 'account1', accountId: ACCOUNT, askedAtMs: Date.now() });
    expect(asked).toEqual([{ accountId: ACCOUNT, scopes: ['balance'] }]);
  });
});

describe('totals that somebody can do without', () => {
  const seedSoon = (...scopes: Scope[]) =>
    lookup.seedSoon({ accountTag: 'account1', accountId: ACCOUNT, scopes, askedAtMs: Date.now() });

  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('come at once where metering knows them, of each key of an account', async () => {
    expect(await seedSoon(WINDOW)).toBe(true);
    expect(await seedSoon(OTHER_WINDOW)).toBe(true);
    expect(asked.length).toBe(2);
  });

  it('are not asked for again at once where that did not help', async () => {
    expect(await seedSoon(WINDOW)).toBe(true);
    expect(await seedSoon(WINDOW)).toBe(false);
    expect(asked.length).toBe(1);
  });

  it('are not waited for longer than half a second, and come all the same', async () => {
    let answer: () => void = () => undefined;
    answering = new Promise((resolve) => (answer = resolve));
    const both = [seedSoon(WINDOW), seedSoon(WINDOW)];
    await jest.advanceTimersByTimeAsync(SOON_MS);
    expect(await Promise.all(both)).toEqual([false, false]);
    // The question is still open, and nobody waits for it again.
    expect(await seedSoon(WINDOW)).toBe(false);
    const needed = seed('account1', WINDOW);
    answer();
    expect(await needed).toBe(true);
    expect(seeded).toEqual([WINDOW, OTHER_WINDOW]);
  });

  it('are not asked for again right after metering did not tell them', async () => {
    isAway = true;
    expect(await seedSoon(WINDOW)).toBe(false);
    const once = asked.length;
    isAway = false;
    await jest.advanceTimersByTimeAsync(SOON_AGAIN_MS - 1);
    expect(await seedSoon(WINDOW)).toBe(false);
    expect(asked.length).toBe(once);
    await jest.advanceTimersByTimeAsync(1);
    expect(await seedSoon(WINDOW)).toBe(true);
  });

  it('are not asked for while many others are, and are when one of those was answered', async () => {
    let answer: () => void = () => undefined;
    answering = new Promise((resolve) => (answer = resolve));
    // Many who ask the same are one question.
    const same = Array.from({ length: SOON_AT_ONCE_MAX }, () => seedSoon(OTHER_WINDOW));
    const others = Array.from({ length: SOON_AT_ONCE_MAX - 1 }, (_, index) => seedSoon(windowScope(uuid7(), index)));
    expect(await seedSoon(WINDOW)).toBe(false);
    expect(asked.length).toBe(SOON_AT_ONCE_MAX);
    answer();
    expect(await Promise.all([...same, ...others])).not.toContain(false);
    expect(await seedSoon(WINDOW)).toBe(true);
  });
});
