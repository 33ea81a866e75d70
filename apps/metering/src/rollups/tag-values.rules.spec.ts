import { describe, expect, it } from '@jest/globals';
import type { AttributionAddition } from './rollups.rules.js';
import { OTHER_VALUES, TAG_VALUES_MAX, tagHourKey, tagHoursOf, withinBounds } from './tag-values.rules.js';

const HOUR_MS = 3_600_000;

function additionOf(value: string, changes: Partial<AttributionAddition> = {}): AttributionAddition {
  const sums = { requests: 1, failed: 0, inputTokens: 2, outputTokens: 3, chargeNanoUsd: 5n };
  return { accountId: 'account', hourMs: HOUR_MS, dimension: 'tag:user', value, ...sums, ...changes };
}
const keptOf = (...values: string[]) => new Map([[tagHourKey(additionOf('any')), new Set(values)]]);
const many = (count: number) => Array.from({ length: count }, (_, at) => `user-${String(at).padStart(5, '0')}`);

describe('values of a tag in one hour', () => {
  it('are told apart up to the bound, and summed as one beyond it: nothing is lost', () => {
    const additions = many(TAG_VALUES_MAX + 7).map((value) => additionOf(value));
    const rows = withinBounds(additions, keptOf());
    expect(rows).toHaveLength(TAG_VALUES_MAX + 1);
    expect(rows.find(({ value }) => value === OTHER_VALUES)).toMatchObject({
      requests: 7,
      inputTokens: 14,
      chargeNanoUsd: 35n,
    });
    expect(rows.reduce((sum, { chargeNanoUsd }) => sum + chargeNanoUsd, 0n)).toBe(5n * BigInt(additions.length));
  });

  it('that are there already are added to, however full it is', () => {
    const [first = ''] = many(1);
    const rows = withinBounds([additionOf(first), additionOf('new')], keptOf(...many(TAG_VALUES_MAX), OTHER_VALUES));
    expect(rows.map(({ value }) => value).sort()).toEqual([OTHER_VALUES, first]);
  });

  it('take no room of another tag, hour or account', () => {
    const others = [{ dimension: 'tag:team' }, { hourMs: 2 * HOUR_MS }, { accountId: 'other' }].map((changes) =>
      additionOf('new', changes),
    );
    const kept = new Map([
      ...keptOf(...many(TAG_VALUES_MAX)),
      ...others.map((other) => [tagHourKey(other), new Set<string>()] as const),
    ]);
    expect(withinBounds(others, kept).map(({ value }) => value)).toEqual(['new', 'new', 'new']);
    expect(tagHoursOf([...others, ...others])).toHaveLength(3);
  });

  it('that somebody named as we name the others are summed with them', () => {
    const rows = withinBounds([additionOf(OTHER_VALUES), additionOf('new')], keptOf(...many(TAG_VALUES_MAX)));
    expect(rows).toEqual([additionOf(OTHER_VALUES, { requests: 2, inputTokens: 4, outputTokens: 6, chargeNanoUsd: 10n })]);
  });
});
