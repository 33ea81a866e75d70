import type { Settlement } from './settlement.rules.js';

/** Remembered calls: as many as the stream hands out without an acknowledgement. */
export const REMEMBERED_CALLS_MAX = 5_000;

/**
 * The settle-acks sent last. Core NATS keeps nothing for who is not there, so what was sent around a broken connection or
 * to a gateway that had just died reached nobody. The gateway does publish the calls again, but for two minutes the
 * stream takes that for a duplicate and drops it. Sending the acks once more costs little and changes nothing where they
 * arrived: ids are idempotent and totals carry versions.
 */
export class SettlementMemory {
  private readonly settlements: Settlement[] = [];
  private calls = 0;

  remember(settlement: Settlement): void {
    this.settlements.push(settlement);
    this.calls += countCalls(settlement);
    while (this.calls > REMEMBERED_CALLS_MAX && this.settlements.length > 1) {
      this.calls -= countCalls(this.settlements.shift() as Settlement);
    }
  }

  /** Oldest first. */
  list(): readonly Settlement[] {
    return [...this.settlements];
  }
}

function countCalls({ settled }: Settlement): number {
  return settled.accounts.reduce((sum, account) => sum + account.requestIds.length, 0);
}
