import type { AttributionAddition } from './rollups.rules.js';

/** Values of one tag that are told apart in one hour of an account. Who tags each call with an id of its own fills a few rows and no disk. */
export const TAG_VALUES_MAX = 500;
/** What the calls of all further values are summed as. They are still found one by one in the activity. */
export const OTHER_VALUES = '(other)';

/** One tag in one hour of an account. */
export type TagHour = Pick<AttributionAddition, 'accountId' | 'dimension' | 'hourMs'>;

export const tagHourKey = ({ accountId, dimension, hourMs }: TagHour): string => `${accountId} ${hourMs} ${dimension}`;

export function isOfTag({ dimension }: Pick<AttributionAddition, 'dimension'>): boolean {
  return dimension.startsWith('tag:');
}

/** Each of them once. */
export function tagHoursOf(additions: readonly AttributionAddition[]): TagHour[] {
  return [...new Map(additions.map((addition) => [tagHourKey(addition), addition])).values()];
}

/**
 * The additions with what is too much as OTHER_VALUES, sorted as before. `kept` has the values that are there already of each
 * hour that gets new ones. Once an hour is full it stays full, so that a correction counts where its estimate did.
 */
export function withinBounds(
  additions: readonly AttributionAddition[],
  kept: ReadonlyMap<string, ReadonlySet<string>>,
): AttributionAddition[] {
  const rows = new Map<string, AttributionAddition>();
  const values = new Map([...kept].map(([key, known]) => [key, new Set([...known].filter((value) => value !== OTHER_VALUES))]));
  for (const addition of additions) {
    const row = { ...addition, value: valueWithin(addition, values.get(tagHourKey(addition))) };
    const key = rowKey(row);
    const others = rows.get(key);
    if (others === undefined) rows.set(key, row);
    else addUp(others, row);
  }
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

/** Takes room in `known` for a new value as long as there is any. */
function valueWithin({ value }: AttributionAddition, known: Set<string> | undefined): string {
  if (known === undefined || known.has(value)) return value;
  if (known.size >= TAG_VALUES_MAX) return OTHER_VALUES;
  if (value !== OTHER_VALUES) known.add(value);
  return value;
}

function rowKey({ accountId, hourMs, dimension, value }: AttributionAddition): string {
  return `${accountId} ${String(hourMs).padStart(16, '0')} ${dimension} ${value}`;
}

function addUp(sums: AttributionAddition, more: AttributionAddition): void {
  sums.requests += more.requests;
  sums.failed += more.failed;
  sums.inputTokens += more.inputTokens;
  sums.outputTokens += more.outputTokens;
  sums.chargeNanoUsd += more.chargeNanoUsd;
}
