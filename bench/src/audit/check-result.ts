import type { CheckResult, Difference } from './audit.types.js';

/** Differences spelled out per check; the rest is counted. */
export const DIFFERENCES_SHOWN_MAX = 20;

/** Gathers the outcome of one check without holding more than a screenful of differences. */
export class CheckRecorder {
  private compared = 0;
  private differenceCount = 0;
  private readonly differences: Difference[] = [];
  private noteText: string | undefined;

  constructor(private readonly name: string) {}

  count(compared: number | bigint): this {
    this.compared += Number(compared);
    return this;
  }

  difference(subject: string, expected: unknown, actual: unknown): this {
    this.differenceCount++;
    if (this.differences.length < DIFFERENCES_SHOWN_MAX) {
      this.differences.push({ check: this.name, subject, expected: String(expected), actual: String(actual) });
    }
    return this;
  }

  /** Compares one value and counts it. */
  equal(subject: string, expected: bigint | number | string, actual: bigint | number | string): this {
    this.compared++;
    if (expected !== actual) this.difference(subject, expected, actual);
    return this;
  }

  note(text: string): this {
    this.noteText = text;
    return this;
  }

  result(): CheckResult {
    const { name, compared, differenceCount, differences } = this;
    return { name, compared, differenceCount, differences, ...(this.noteText === undefined ? {} : { note: this.noteText }) };
  }
}
