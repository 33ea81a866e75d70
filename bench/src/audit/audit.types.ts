import type { Dimension } from '@tensorloop/contracts/usage';

/** What one source says about one account × key × model. */
export interface Sums {
  requests: bigint;
  /** Tokens. A dimension that is absent counts 0. */
  quantities: Partial<Record<Dimension, bigint>>;
  nanoUsd: bigint;
}

/** Two sources that should say the same and do not. */
export interface Difference {
  check: string;
  /** Which account, key, model, call or scope. */
  subject: string;
  expected: string;
  actual: string;
}

export interface CheckResult {
  name: string;
  /** How many things were compared. 0 is said aloud: a check that looked at nothing proves nothing. */
  compared: number;
  /** All of them; `differences` holds the first few. */
  differenceCount: number;
  differences: Difference[];
  note?: string;
}

export interface TableRow {
  accountId: string;
  keyId: string;
  model: string;
  /** Calls whose usage we counted ourselves. */
  estimated: bigint;
  /** Absent where the source was not available (no oracle). */
  sources: Partial<Record<SourceName, Sums>>;
}

/** In the order in which money flows. */
export const SOURCES = ['oracle', 'usage', 'charges', 'rollups', 'activity'] as const;
export type SourceName = (typeof SOURCES)[number];

export interface AuditReport {
  startedAt: string;
  requests: bigint;
  table: TableRow[];
  checks: CheckResult[];
  /** 0 = every source agrees. */
  differences: number;
}

/** The audit could not run: what is missing, as a sentence for a person. Exit code 2. */
export class AuditUnavailable extends Error {}
