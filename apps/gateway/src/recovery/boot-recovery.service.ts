import type { Clock } from '@tensorloop/nest-kit/clock';
import type { Journal } from '../journal/journal.service.js';
import type { JournalEntry } from '../journal/journal.types.js';
import type { CallSettler } from '../settlement/call-settler.service.js';
import type { RedisWrites } from '../settlement/redis-writes.service.js';
import type { Shipper } from '../settlement/shipper.service.js';

/** Settlements sent to Redis at a time while catching up, so that calls being served are not crowded out. */
export const RESETTLE_BATCH = 100;

const OK = 200;
const INTERNAL_ERROR = 500;

export interface BootRecoveryParts {
  journal: Journal;
  settler: CallSettler;
  shipper: Shipper;
  writes: RedisWrites;
  clock: Clock;
}

/** Settles what the last run of this gateway left behind: nothing is lost, and nothing that was journalled stays held. */
export class BootRecovery {
  private isStopping = false;

  constructor(private readonly parts: BootRecoveryParts) {}

  /** Resolves once every call of the last run has its `completed` record; telling Redis and metering goes on behind. */
  async run(): Promise<void> {
    const left = [...this.parts.journal.entries.values()];
    const ended = left.filter((entry) => entry.completed !== null);
    for (const entry of ended) this.parts.shipper.resume(entry.accepted.requestId);
    await Promise.all(left.filter((entry) => entry.completed === null).map((entry) => this.closeDied(entry)));
    void this.resettle(ended);
  }

  stop(): void {
    this.isStopping = true;
  }

  /** A call cut by this gateway's own death is charged what the last durable progress record counted (DESIGN "Who pays what"). */
  private async closeDied({ accepted, progress }: JournalEntry): Promise<void> {
    // Redis's clock stamped the admission, and Redis may not be there to be asked: a call does not end before it began.
    const completedAtMs = Math.max(this.parts.clock(), accepted.admittedAtMs);
    await this.parts.settler.finish(accepted, {
      outcome: 'gateway_died',
      usage: progress ?? {},
      estimated: true,
      httpStatus: progress === null ? INTERNAL_ERROR : OK,
      completedAtMs,
      latencyMs: completedAtMs - accepted.admittedAtMs,
      firstByteMs: null,
      attempts: [],
    });
  }

  /** A no-op where Redis has it already; where it has lost the account, the rebuild reads the journal instead. */
  private async resettle(ended: JournalEntry[]): Promise<void> {
    for (let from = 0; from < ended.length && !this.isStopping; from += RESETTLE_BATCH) {
      const batch = ended.slice(from, from + RESETTLE_BATCH);
      await Promise.all(
        batch.map(({ accepted, completed }) => {
          const isOpen = this.parts.journal.entries.has(accepted.requestId);
          return isOpen && completed !== null
            ? this.parts.writes.settle(accepted.accountTag, accepted.requestId, BigInt(completed.chargeNanoUsd))
            : undefined;
        }),
      );
    }
  }
}
