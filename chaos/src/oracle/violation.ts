/** Something that must never be. */
export interface Violation {
  /** lost, doubled, overshoot, price, or the name of the audit's check. */
  kind: string;
  /** Which call, key, account or day. */
  subject: string;
  expected: string;
  actual: string;
}

/** What a headline counts, by whichever of the three records it was found: clients', provider's or the books' own. */
export const LOST_KINDS: readonly string[] = [
  'lost',
  'oracle: a completed call is one call in the books',
  'oracle: a call of which bytes were sent has a usage row',
];
export const DOUBLED_KINDS: readonly string[] = ['doubled', 'oracle: no call completed twice'];
export const OVERSHOOT_KINDS: readonly string[] = ['overshoot'];

export function countOf(violations: readonly Violation[], kinds: readonly string[]): number {
  return violations.filter(({ kind }) => kinds.includes(kind)).length;
}

/** Counts and the first few of each kind: a broken run could have a hundred thousand. */
export const SHOWN_PER_KIND_MAX = 20;

export function countByKind(violations: readonly Violation[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of violations) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
