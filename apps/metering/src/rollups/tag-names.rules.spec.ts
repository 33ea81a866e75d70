import { describe, expect, it } from '@jest/globals';
import { OTHER_TAGS, TAG_NAMES_MAX } from '@tensorloop/contracts/tags';
import { settleNames } from './tag-names.rules.js';
import { tagHourKey } from './tag-values.rules.js';

const HOUR_MS = 3_600_000;
const hourOf = (name: string, accountId = 'a', hourMs = HOUR_MS) => ({ accountId, dimension: `tag:${name}`, hourMs });
const room = (names: number, hasOthers = false, accountId = 'a') => ({ accountId, names, hasOthers });
const named = (name: string, isLate = false, accountId = 'a') => ({ accountId, name, isLate });

describe('names of tags', () => {
  it('are told apart as long as there is room; then the account has others', () => {
    const wanted = ['x', 'y', 'z'].map((name) => hourOf(name));
    const { names, unnamed } = settleNames(wanted, [room(TAG_NAMES_MAX - 2)]);
    expect(names).toEqual([named('x'), named('y'), named(OTHER_TAGS)]);
    expect([...unnamed]).toEqual([tagHourKey(hourOf('z'))]);
  });

  it('take room once, in whatever hours they come', () => {
    const wanted = [hourOf('x'), hourOf('x', 'a', 2 * HOUR_MS), hourOf('y')];
    const { names, unnamed } = settleNames(wanted, [room(TAG_NAMES_MAX - 1)]);
    expect(names).toEqual([named('x'), named(OTHER_TAGS)]);
    expect([...unnamed]).toEqual([tagHourKey(hourOf('y'))]);
  });

  it('of an account that has others are told apart only later: calls of theirs may be among the others', () => {
    const { names, unnamed } = settleNames([hourOf('x'), hourOf('y')], [room(TAG_NAMES_MAX - 1, true)]);
    expect(names).toEqual([named('x', true)]);
    expect([...unnamed]).toEqual([hourOf('x'), hourOf('y')].map(tagHourKey));
  });

  it('of one account take no room of another', () => {
    const wanted = [hourOf('x', 'full'), hourOf('x', 'free')];
    const { names, unnamed } = settleNames(wanted, [room(TAG_NAMES_MAX, true, 'full'), room(0, false, 'free')]);
    expect(names).toEqual([named('x', false, 'free')]);
    expect([...unnamed]).toEqual([tagHourKey(hourOf('x', 'full'))]);
  });

  it('are not settled for an account whose room is not known', () => {
    expect(() => settleNames([hourOf('x', 'b')], [room(0)])).toThrow('account b');
  });
});
