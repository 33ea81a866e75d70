/**
 * Somebody who is asked about many accounts in one round. Whoever fails so often in a row is away, and is not asked about all the
 * others as well: each question would wait for its deadline.
 */
export const FAILURES_MAX = 8;

export class Respondent {
  private failuresInRow = 0;

  get isAway(): boolean {
    return this.failuresInRow >= FAILURES_MAX;
  }

  /** Returns what it was told. */
  note(hasAnswered: boolean): boolean {
    this.failuresInRow = hasAnswered ? 0 : this.failuresInRow + 1;
    return hasAnswered;
  }
}
