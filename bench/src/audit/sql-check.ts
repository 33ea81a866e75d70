import type { CheckResult } from './audit.types.js';
import { CheckRecorder } from './check-result.js';
import { rows, type SnapshotClient } from './snapshot.js';

/** A statement whose every row is a difference, and one that counts what was looked at. */
export interface SqlCheck {
  name: string;
  population: string;
  /** Columns: subject, expected, actual. */
  violations: string;
}

/** Violations read per check; the first few are shown, and the rest counted up to here. */
const VIOLATIONS_READ_MAX = 1_000;

export async function runSqlCheck(client: SnapshotClient, check: SqlCheck): Promise<CheckResult> {
  const recorder = new CheckRecorder(check.name);
  const [population] = await rows<{ count: string }>(client, check.population);
  recorder.count(BigInt(population?.count ?? '0'));
  const violations = await rows<{ subject: string; expected: unknown; actual: unknown }>(
    client,
    `${check.violations} LIMIT ${VIOLATIONS_READ_MAX}`,
  );
  for (const { subject, expected, actual } of violations) recorder.difference(subject, expected, actual);
  return recorder.result();
}
