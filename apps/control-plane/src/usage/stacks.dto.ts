import type { UsageSeries } from '@tensorloop/contracts/api/usage';
import type { SeriesStacks, StackBy, StackColumns } from '@tensorloop/contracts/usage-series';
import { toCost } from './usage.dto.js';

/** `names`: of the keys or projects that the series are of; null where they are of anything else. */
export function toStacks(
  { groupBy, tagName }: StackBy,
  { series, others }: SeriesStacks,
  names: ReadonlyMap<string, string> | null,
): UsageSeries['stacks'] {
  const label = (group: string | null) => (names === null ? {} : { label: group === null ? null : (names.get(group) ?? null) });
  return {
    stackBy: tagName === null ? groupBy : `tag:${tagName}`,
    series: series.map(({ group, columns }) => ({ group, ...label(group), ...toStack(columns) })),
    others: others === null ? null : { groups: others.groups, ...toStack(others.columns) },
  };
}

function toStack({ requests, failed, inputTokens, outputTokens, chargeNanoUsd }: StackColumns) {
  const add = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0);
  const charge = chargeNanoUsd.reduce((sum, amount) => sum + BigInt(amount), 0n);
  return {
    total: {
      requests: add(requests),
      failed: add(failed),
      inputTokens: add(inputTokens),
      outputTokens: add(outputTokens),
      ...toCost(charge.toString()),
    },
    data: requests.map((count, at) => ({
      requests: count,
      failed: failed[at] ?? 0,
      inputTokens: inputTokens[at] ?? 0,
      outputTokens: outputTokens[at] ?? 0,
      ...toCost(chargeNanoUsd[at] ?? '0'),
    })),
  };
}
