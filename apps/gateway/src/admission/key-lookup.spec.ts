import { beforeEach, describe, expect, it } from '@jest/globals';
import { KeyHasher } from '../auth/key-hasher.service.js';
import { KeyLookup, LOOKUPS_MAX } from './key-lookup.js';

let answers: { resolve: (reply: unknown) => void }[];
let lookup: KeyLookup;

beforeEach(() => {
  answers = [];
  lookup = new KeyLookup({ call: (() => new Promise((resolve) => answers.push({ resolve }))) as never });
});

function answer(reply: unknown): void {
  answers.at(-1)?.resolve(reply);
}

describe('the lookup of a key', () => {
  it('names its hash under the pepper before while peppers are rotated, and nothing otherwise', async () => {
    const hasher = new KeyHasher('the pepper of today', 'the pepper before');
    const asked: unknown[] = [];
    const rpc = { call: async (_: unknown, payload: unknown) => asked.push(payload) && { ok: true, found: true } } as never;
    const rotating = new KeyLookup(rpc, (keyHash) => hasher.previousHashOf(keyHash));
    const keyHash = hasher.hash('a key');
    await rotating.lookUp('account1', keyHash);
    await rotating.lookUp('account1', 'never hashed here');
    await new KeyLookup(rpc).lookUp('account1', keyHash);
    expect(asked).toEqual([
      { accountTag: 'account1', keyHash, previousKeyHash: new KeyHasher('the pepper before').hash('a key') },
      { accountTag: 'account1', keyHash: 'never hashed here' },
      { accountTag: 'account1', keyHash },
    ]);
  });

  it('asks once however many calls wait for it', async () => {
    const waiting = [1, 2, 3].map(() => lookup.lookUp('account1', 'hash'));
    expect(answers).toHaveLength(1);
    answer({ ok: true, found: true });
    expect(await Promise.all(waiting)).toEqual(['projected', 'projected', 'projected']);
  });

  it('remembers for a moment that a key does not exist', async () => {
    const first = lookup.lookUp('account1', 'hash');
    answer({ ok: true, found: false });
    expect(await first).toBe('absent');
    expect(await lookup.lookUp('account1', 'hash')).toBe('absent');
    expect(answers).toHaveLength(1);
  });

  it('never takes an unanswered question for "no"', async () => {
    const first = lookup.lookUp('account1', 'hash');
    answer({ ok: false, code: 'rpc_timeout', message: '' });
    expect(await first).toBe('unavailable');
    void lookup.lookUp('account1', 'hash');
    expect(answers).toHaveLength(2);
  });

  it('does not pass a flood of made-up keys on to the control plane', async () => {
    for (let key = 0; key < LOOKUPS_MAX; key++) void lookup.lookUp('account1', `hash ${key}`);
    expect(await lookup.lookUp('account1', 'one more')).toBe('unavailable');
    expect(answers).toHaveLength(LOOKUPS_MAX);
  });
});
