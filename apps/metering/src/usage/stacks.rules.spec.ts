import { expect, it } from '@jest/globals';
import type { SeriesSum } from '@tensorloop/contracts/usage-series';
import fc from 'fast-check';
import { addUp } from './series.rules.js';
import { toStacks } from './stacks.rules.js';

const SLOTS = 4;
const count = fc.integer({ min: 0, max: 1_000 });
const sumOf = (n: number): SeriesSum => ({
  requests: n,
  failed: Math.floor(n / 3),
  inputTokens: n * 10,
  outputTokens: n * 5,
  chargeNanoUsd: (BigInt(n) * 10n ** 15n).toString(),
});
const cell = fc.record({
  slot: fc.integer({ min: 0, max: SLOTS - 1 }),
  group: fc.constantFrom('a', 'b', 'c', null),
  sum: count.map(sumOf),
});

it('all series and others together are the total of each slot, whatever has no group (TL-6)', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(cell, { selector: ({ slot, group }) => `${slot} ${group}` }),
      fc.array(count, { minLength: SLOTS, maxLength: SLOTS }),
      (cells, ungrouped) => {
        const totals = ungrouped.map((n, slot) =>
          addUp([sumOf(n), ...cells.filter((each) => each.slot === slot).map(({ sum }) => sum)]),
        );
        const { series, others } = toStacks({ cells, others: 1 }, totals, true);
        const parts = [...series, ...(others === null ? [] : [others])].map(({ columns }) => columns);
        for (const [slot, total] of totals.entries()) {
          expect(parts.reduce((sum, { requests }) => sum + (requests[slot] ?? 0), 0)).toBe(total.requests);
          const charge = parts.reduce((sum, { chargeNanoUsd }) => sum + BigInt(chargeNanoUsd[slot] ?? 0), 0n);
          expect(charge.toString()).toBe(total.chargeNanoUsd);
        }
      },
    ),
  );
});

it('the dearest series is first, and that without a group last', () => {
  const cells = [
    { slot: 0, group: 'cheap', sum: sumOf(1) },
    { slot: 1, group: 'dear', sum: sumOf(9) },
  ];
  const { series, others } = toStacks({ cells, others: 0 }, [sumOf(100), sumOf(100)], true);
  expect(series.map(({ group }) => group)).toEqual(['dear', 'cheap', null]);
  expect(series[0]?.columns.requests).toEqual([0, 9]);
  expect(others).toBeNull();
});
