/** Accounts with none on its way whose count is kept: taken out and put in at every call, it would cost more than it holds. */
export const RESTING_ACCOUNTS_MAX = 10_000;

/**
 * Counts admissions whose answer is on its way, per account: a gateway must not re-assert an account while one of its own
 * admissions could still turn into a hold that its journal does not know.
 */
export class InFlight {
  private readonly counts = new Map<string, number>();
  private readonly waiters = new Map<string, (() => void)[]>();

  enter(accountTag: string): void {
    this.counts.set(accountTag, (this.counts.get(accountTag) ?? 0) + 1);
  }

  leave(accountTag: string): void {
    const count = (this.counts.get(accountTag) ?? 1) - 1;
    if (count > 0 || this.counts.size <= RESTING_ACCOUNTS_MAX) this.counts.set(accountTag, count);
    else this.counts.delete(accountTag);
    if (count > 0 || this.waiters.size === 0) return;
    for (const resolve of this.waiters.get(accountTag) ?? []) resolve();
    this.waiters.delete(accountTag);
  }

  /** Resolves at an instant when none of the account is on its way. Each lasts a Redis command's timeout at most. */
  idle(accountTag: string): Promise<void> {
    if ((this.counts.get(accountTag) ?? 0) === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.waiters.set(accountTag, [...(this.waiters.get(accountTag) ?? []), resolve]);
    });
  }
}
