import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Admission } from '@tensorloop/admission/admission.types';
import { DAY_MS, WINDOW_MS } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { KNOWN_KEY_MS, KNOWN_KEYS_MAX, type KnownKey, KnownKeys, NOTE_AGAIN_MS, scopesAt } from './known-keys.js';

const NOW_MS = Date.UTC(2026, 10, 21, 12);
const KEY_ID = uuid7();

function admission(change: Partial<Admission> = {}): Admission {
  return {
    admittedAtMs: NOW_MS,
    accountId: uuid7(),
    keyId: KEY_ID,
    windowIndex: 2,
    windowStartMs: NOW_MS - DAY_MS,
    project: null,
    balance: null,
    ...change,
  } as Admission;
}
const key = (keyHash: string, accountTag = 'account1') => ({ accountTag, keyHash });

let known: KnownKeys;
beforeEach(() => {
  known = new KnownKeys();
});

describe('keys that a gateway serves', () => {
  it('are told by account, the account used last first', () => {
    known.note(key('one'), admission());
    known.note(key('two', 'account2'), admission());
    known.note(key('three'), admission());
    expect(known.byAccount(NOW_MS).map((keys) => keys.map(({ keyHash }) => keyHash))).toEqual([['three', 'one'], ['two']]);
  });

  it('are noted once a minute however often they are used', () => {
    known.note(key('one'), admission());
    known.note(key('one'), admission({ admittedAtMs: NOW_MS + NOTE_AGAIN_MS - 1, windowIndex: 3 }));
    expect(known.byAccount(NOW_MS)).toMatchObject([[{ usedAtMs: NOW_MS, windowIndex: 2 }]]);
    known.note(key('one'), admission({ admittedAtMs: NOW_MS + NOTE_AGAIN_MS, windowIndex: 3 }));
    expect(known.byAccount(NOW_MS)).toMatchObject([[{ usedAtMs: NOW_MS + NOTE_AGAIN_MS, windowIndex: 3 }]]);
  });

  it('are a bounded number: the one used longest ago is forgotten', () => {
    for (let index = 0; index <= KNOWN_KEYS_MAX; index++) known.note(key(`key ${index}`), admission());
    expect(known.size).toBe(KNOWN_KEYS_MAX);
    expect(known.has('key 0')).toBe(false);
    expect(known.has('key 1')).toBe(true);
  });

  it('are left out once they have not been used for a day', () => {
    known.note(key('one'), admission());
    expect(known.byAccount(NOW_MS + KNOWN_KEY_MS)).toHaveLength(1);
    expect(known.byAccount(NOW_MS + KNOWN_KEY_MS + 1)).toEqual([]);
  });
});

describe('what a key counts in', () => {
  const noted = (change: Partial<Admission> = {}): KnownKey => {
    known.note(key('one'), admission(change));
    return known.byAccount(NOW_MS)[0]?.[0] as KnownKey;
  };

  it('is the window and the day of the time that is asked for, and not those in which it was noted', () => {
    expect(scopesAt(noted(), NOW_MS)).toEqual([`window:${KEY_ID}:2`, 'day:2026-11-21']);
    expect(scopesAt(noted(), NOW_MS - DAY_MS + WINDOW_MS)).toEqual([`window:${KEY_ID}:3`, 'day:2026-12-20']);
  });

  it('is its project’s window and its account’s balance too, where it has them', () => {
    const id = uuid7();
    const project = { id, windowIndex: 5, windowStartMs: NOW_MS, budget: null };
    const balance = { limitNanoUsd: 1n, spentNanoUsd: 0n, heldNanoUsd: 0n };
    expect(scopesAt(noted({ project, balance }), NOW_MS).slice(2)).toEqual([`project:${id}:5`, 'balance']);
  });
});
