/** Calls that are remembered. When there are so many, further ones are not noted until some were given up or forgotten. */
export const FAULTS_MAX = 10_000;
/** What failed longer ago was booked or given up by another replica: it would have come again within seconds. */
export const FAULT_KEPT_MS = 10 * 60_000;

/**
 * How often the database refused a call when it was tried alone. How often its message was delivered says nothing about that: a
 * message comes again also where nobody got to try it, or where another call of it, or the database as a whole, was at fault. In
 * memory, and per replica: a restart makes a bad call be tried more often, never a good one be given up sooner.
 */
export class RowFaults {
  /** By request id; the one that failed longest ago is first. */
  private readonly calls = new Map<string, { tries: number; failedAtMs: number }>();

  /** `nowMs`: monotonic. */
  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  /** Notes one more try that failed; returns how many there were. */
  note(requestId: string): number {
    const nowMs = this.nowMs();
    this.forgetOld(nowMs);
    const tries = (this.calls.get(requestId)?.tries ?? 0) + 1;
    this.calls.delete(requestId);
    if (this.calls.size < FAULTS_MAX) this.calls.set(requestId, { tries, failedAtMs: nowMs });
    return tries;
  }

  forget(requestId: string): void {
    this.calls.delete(requestId);
  }

  private forgetOld(nowMs: number): void {
    for (const [requestId, { failedAtMs }] of this.calls) {
      if (nowMs - failedAtMs < FAULT_KEPT_MS) return;
      this.calls.delete(requestId);
    }
  }
}
