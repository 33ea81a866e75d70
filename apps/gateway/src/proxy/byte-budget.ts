/** Bytes that all calls together may keep in memory. A call that gets none does without. */
export class ByteBudget {
  private taken = 0;

  constructor(private readonly bytesMax: number) {}

  get bytesTaken(): number {
    return this.taken;
  }

  /** False when it would exceed the budget: nothing is taken then. */
  take(bytes: number): boolean {
    if (this.taken + bytes > this.bytesMax) return false;
    this.taken += bytes;
    return true;
  }

  give(bytes: number): void {
    this.taken -= bytes;
  }
}
