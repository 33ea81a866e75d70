import { createHash } from 'node:crypto';
import { parseExact, printJsonb } from './jsonb-text.rules.js';

/**
 * The chain of an audit log, without a database: what PostgreSQL hashed when an entry was written (control.audit_hash) is
 * put together again from an export, so that nobody has to believe the installation.
 */

export const GENESIS_HASH = '0'.repeat(64);

/** One entry as an export has it. */
export interface ChainEntry {
  accountId: string;
  sequence: number;
  time: string;
  actorKind: string;
  actorId: string | null;
  actorLabel: string;
  action: string;
  subjectKind: string;
  subjectId: string;
  /** JSON text. */
  details: string;
  ipPrefix: string;
  userAgent: string;
  requestId: string;
  previousHash: string;
  hash: string;
}

export function hashEntry(entry: ChainEntry): string {
  const covered = [
    entry.previousHash,
    entry.accountId,
    entry.sequence,
    Date.parse(entry.time),
    entry.actorKind,
    entry.actorId,
    entry.actorLabel,
    entry.action,
    entry.subjectKind,
    entry.subjectId,
    parseExact(entry.details),
    entry.ipPrefix,
    entry.userAgent,
    entry.requestId,
  ];
  return createHash('sha256').update(printJsonb(covered)).digest('hex');
}

export interface ChainProblem {
  kind: 'changed' | 'unlinked' | 'missing' | 'head';
  sequence: number;
  detail: string;
}

export interface ChainHead {
  sequence: number;
  hash: string;
}

/** Problems that are spelled out; all are counted. */
const PROBLEMS_SHOWN_MAX = 100;

/** Takes the entries of one account one by one, oldest first, and remembers no more than the last of them. */
export class ChainVerifier {
  readonly problems: ChainProblem[] = [];
  problemCount = 0;
  entries = 0;
  private last: ChainHead = { sequence: 0, hash: GENESIS_HASH };
  private accountId: string | null = null;

  get head(): ChainHead {
    return this.last;
  }

  add(entry: ChainEntry): void {
    const { sequence, hash, previousHash } = entry;
    this.accountId ??= entry.accountId;
    if (entry.accountId !== this.accountId) this.report('unlinked', sequence, `entry ${sequence} is of another account`);
    if (sequence !== this.last.sequence + 1) this.reportGap(sequence);
    if (previousHash !== this.last.hash) {
      this.report('unlinked', sequence, `entry ${sequence} does not follow from the entry before it`);
    }
    if (hash !== hashEntry(entry)) {
      this.report('changed', sequence, `entry ${sequence} is not what was hashed when it was written`);
    }
    this.entries++;
    this.last = { sequence, hash };
  }

  /** Compares the end with the head that somebody noted: without one, nobody can tell that entries at the end are missing. */
  finish(noted: ChainHead | null): void {
    if (noted === null || (noted.sequence === this.last.sequence && noted.hash === this.last.hash)) return;
    const detail = `the log ends with entry ${this.last.sequence} (${this.last.hash}), not with ${noted.sequence} (${noted.hash})`;
    this.report('head', this.last.sequence, detail);
  }

  private reportGap(sequence: number): void {
    const expected = this.last.sequence + 1;
    const detail =
      sequence > expected
        ? `entries ${expected} to ${sequence - 1} are missing`
        : `entry ${sequence} comes after entry ${this.last.sequence}`;
    this.report('missing', expected, detail);
  }

  private report(kind: ChainProblem['kind'], sequence: number, detail: string): void {
    this.problemCount++;
    if (this.problems.length < PROBLEMS_SHOWN_MAX) this.problems.push({ kind, sequence, detail });
  }
}
