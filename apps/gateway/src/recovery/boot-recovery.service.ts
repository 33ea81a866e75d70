import type { AdmissionView } from '@tensorloop/admission/admission-view';
import { isUuid7, uuid7Time } from '@tensorloop/kernel/uuid7';
import type { Journal } from '../journal/journal.service.js';
import type { JournalEntry } from '../journal/journal.types.js';
import type { CallSettler } from '../settlement/call-settler.service.js';
import type { RedisWrites } from '../settlement/redis-writes.service.js';
import type { Shipper } from '../settlement/shipper.service.js';

/** Settlements sent to Redis at a time while catching up, so that calls being served are not crowded out. */
export const RESETTLE_BATCH = 100;
/** The search for ownerless holds is repeated this often until it has gone through once. */
export const SEARCH_RETRY_MS = 2_000;

const OK = 200;
const INTERNAL_ERROR = 500;

export interface BootRecoveryParts {
  gatewayId: string;
  journal: Journal;
  settler: CallSettler;
  shipper: Shipper;
  writes: RedisWrites;
  view: AdmissionView;
  /** Unix ms at which this process began; holds of requests minted earlier are the last run's. */
  bootAtMs: number;
  onProblem: (error: unknown) => void;
}

/** Settles what the last run of this gateway left behind: nothing is lost, and nothing stays held. */
export class BootRecovery {
  private isStopping = false;
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly parts: BootRecoveryParts) {}

  /** Resolves once every call of the last run has its `completed` record; telling Redis and metering goes on behind. */
  async run(): Promise<void> {
    const left = [...this.parts.journal.entries.values()];
    const ended = left.filter((entry) => entry.completed !== null);
    for (const entry of ended) this.parts.shipper.resume(entry.accepted.requestId);
    await Promise.all(left.filter((entry) => entry.completed === null).map((entry) => this.closeDied(entry)));
    void this.resettle(ended);
    void this.searchOwnerless();
  }

  stop(): void {
    this.isStopping = true;
    if (this.timer !== null) clearTimeout(this.timer);
  }

  /** A call cut by this gateway's own death is charged what the last durable progress record counted (DESIGN "Who pays what"). */
  private async closeDied({ accepted, progress }: JournalEntry): Promise<void> {
    const completedAtMs = Date.now();
    await this.parts.settler.finish(accepted, {
      outcome: 'gateway_died',
      usage: progress ?? {},
      estimated: true,
      httpStatus: progress === null ? INTERNAL_ERROR : OK,
      completedAtMs,
      latencyMs: Math.max(0, completedAtMs - accepted.admittedAtMs),
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

  /** Holds that Redis placed for us and whose call never reached the journal: nobody else would ever release them. */
  private async searchOwnerless(): Promise<void> {
    if (this.isStopping) return;
    try {
      for await (const accountTag of this.parts.view.listAccountTags()) await this.releaseOwnerless(accountTag);
    } catch (error) {
      this.parts.onProblem(error);
      this.timer = setTimeout(() => void this.searchOwnerless(), SEARCH_RETRY_MS);
      this.timer.unref();
    }
  }

  private async releaseOwnerless(accountTag: string): Promise<void> {
    const { view, gatewayId, journal, writes, bootAtMs } = this.parts;
    for (const { requestId, state } of await view.listOwnedOpen(accountTag, gatewayId)) {
      const isOfLastRun = isUuid7(requestId) && uuid7Time(requestId) < bootAtMs;
      if (state === 'held' && isOfLastRun && !journal.entries.has(requestId)) await writes.release(accountTag, requestId);
    }
  }
}
