import type { SeriesStacks, SeriesSum, StackColumns } from '@tensorloop/contracts/usage-series';
import { addUp, NO_CALLS, without } from './series.rules.js';

/** What one group came to in one slot. Its group is null where it is not among the dearest. */
export interface StackCell {
  /** Counted from 0. */
  slot: number;
  group: string | null;
  sum: SeriesSum;
}

/** The cells of a period, those of the dearest groups apart and of all others together. */
export interface StackCells {
  cells: StackCell[];
  /** How many groups the others are. */
  others: number;
}

/**
 * Series out of cells, the dearest first. `totals` has what all calls of each slot came to: with `hasRest` what the groups leave
 * of it is a series of its own, those without a project or tag. Then all series together are the totals, slot by slot.
 */
export function toStacks({ cells, others }: StackCells, totals: readonly SeriesSum[], hasRest: boolean): SeriesStacks {
  const bySeries = new Map<string | null, SeriesSum[]>();
  for (const { slot, group, sum } of cells) {
    const sums = bySeries.get(group) ?? totals.map(() => NO_CALLS);
    sums[slot] = sum;
    bySeries.set(group, sums);
  }
  const rest = totals.map((total, slot) => without(total, addUp([...bySeries.values()].map((sums) => sums[slot] ?? NO_CALLS))));
  const othersSums = bySeries.get(null);
  bySeries.delete(null);
  const series: SeriesStacks['series'] = [...bySeries]
    .map(([group, sums]) => ({ group, sums, total: addUp(sums) }))
    .sort((a, b) => byCost(a.total, b.total) || String(a.group).localeCompare(String(b.group)))
    .map(({ group, sums }) => ({ group, columns: toColumns(sums) }));
  if (hasRest && addUp(rest).requests > 0) series.push({ group: null, columns: toColumns(rest) });
  return { series, others: othersSums === undefined ? null : { groups: others, columns: toColumns(othersSums) } };
}

function byCost(a: SeriesSum, b: SeriesSum): number {
  const dearer = BigInt(b.chargeNanoUsd) - BigInt(a.chargeNanoUsd);
  if (dearer !== 0n) return dearer > 0n ? 1 : -1;
  return b.requests - a.requests;
}

function toColumns(sums: readonly SeriesSum[]): StackColumns {
  return {
    requests: sums.map(({ requests }) => requests),
    failed: sums.map(({ failed }) => failed),
    inputTokens: sums.map(({ inputTokens }) => inputTokens),
    outputTokens: sums.map(({ outputTokens }) => outputTokens),
    chargeNanoUsd: sums.map(({ chargeNanoUsd }) => chargeNanoUsd),
  };
}
