/** Something that must never be. */
export interface Violation {
  /** lost, doubled, overshoot, price, or the name of the audit's check. */
  kind: string;
  /** Which call, key, account or day. */
  subject: string;
  expected: string;
  actual: string;
}

/** Counts and the first few of each kind: a broken run could have a hundred thousand. */
export const SHOWN_PER_KIND_MAX = 20;

export function countByKind(violations: readonly Violation[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of violations) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
