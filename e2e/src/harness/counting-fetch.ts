/** Counts what a client truly sends: an SDK hides its retries. */
export class CountingFetch {
  private readonly sentAtMs: number[] = [];

  readonly fetch: typeof fetch = (input, init) => {
    this.sentAtMs.push(performance.now());
    return fetch(input, init);
  };

  get attempts(): number {
    return this.sentAtMs.length;
  }

  /** From each attempt to the next. */
  get waitsMs(): number[] {
    return this.sentAtMs.slice(1).map((at, index) => at - (this.sentAtMs[index] as number));
  }
}
