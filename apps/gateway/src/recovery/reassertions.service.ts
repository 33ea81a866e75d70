import type { Journal } from '../journal/journal.service.js';
import type { EpochRecovery } from './epoch-recovery.service.js';

/** Accounts re-asserted at the same time, so that calls being served are not crowded out. */
export const REASSERTIONS_MAX = 8;
/** An account whose epoch was not open is looked at again: a rebuild that began without this gateway may be under way. */
export const REASSERT_AGAIN_MS = 5_000;
export const REASSERT_ROUNDS_MAX = 3;
/** Settlements that Redis did not know make an account be re-asserted no more often than this. */
export const MISSING_INTERVAL_MS = 1_000;

export interface ReassertionsParts {
  epochs: Pick<EpochRecovery, 'reassertOpen'>;
  journal: Pick<Journal, 'entries' | 'listAccountTags'>;
  onProblem: (error: unknown) => void;
  againMs?: number;
}

/**
 * Brings what this gateway's journal owes back into epochs that were opened without it. Others stop waiting for a gateway
 * that was silent or cut off; what it holds would then be missing from Redis, and could be spent a second time.
 */
export class Reassertions {
  private running: Promise<void> | null = null;
  private isAskedAgain = false;
  private isStopping = false;
  private isComplete = false;
  private runId: string | null = null;
  private timer: NodeJS.Timeout | null = null;
  private wake: () => void = () => undefined;
  /** Accounts that are being re-asserted for a missing entry, or were just now. */
  private readonly resting = new Set<string>();

  constructor(private readonly parts: ReassertionsParts) {}

  /** Re-asserts every account in the journal. Asked for during a run, it runs once more afterwards. */
  all(): Promise<void> {
    if (this.running !== null) {
      this.isAskedAgain = true;
      return this.running;
    }
    this.running = this.repeat().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  /** Called at each connection to Redis: another process holds nothing, and one that could not be reached may lack something. */
  redisIsReady(runId: string | null): void {
    const isAnother = runId !== this.runId;
    this.runId = runId;
    if (isAnother || !this.isComplete) void this.all();
  }

  /** A settlement found no entry in Redis. Unless metering has acknowledged the call, it has to be brought back. */
  missing(accountTag: string, requestId: string): void {
    const entry = this.parts.journal.entries.get(requestId);
    if (entry === undefined || entry.isCommitted || this.resting.has(accountTag) || this.isStopping) return;
    this.resting.add(accountTag);
    this.parts.epochs.reassertOpen(accountTag).catch((error: unknown) => {
      // The next connection to Redis makes good for it.
      this.isComplete = false;
      this.parts.onProblem(error);
    });
    setTimeout(() => this.resting.delete(accountTag), MISSING_INTERVAL_MS).unref();
  }

  stop(): void {
    this.isStopping = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.wake();
  }

  private async repeat(): Promise<void> {
    do {
      this.isAskedAgain = false;
      this.isComplete = await this.run();
    } while (this.isAskedAgain && !this.isStopping);
  }

  /** True = every account that was not acknowledged meanwhile is in an open epoch, or will be asked for by a rebuild. */
  private async run(): Promise<boolean> {
    let waiting = this.parts.journal.listAccountTags();
    let hasFailed = false;
    for (let round = 1; round <= REASSERT_ROUNDS_MAX && waiting.length > 0 && !this.isStopping; round++) {
      if (round > 1) await this.pause();
      hasFailed = false;
      const closed: string[] = [];
      const queue = [...waiting];
      const work = async () => {
        for (let tag = queue.pop(); tag !== undefined && !this.isStopping; tag = queue.pop()) {
          const isOpen = await this.parts.epochs.reassertOpen(tag).catch((error: unknown) => {
            if (!hasFailed) this.parts.onProblem(error);
            hasFailed = true;
            return false;
          });
          if (!isOpen) closed.push(tag);
        }
      };
      await Promise.all(Array.from({ length: REASSERTIONS_MAX }, work));
      waiting = closed;
    }
    return !hasFailed;
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
      this.timer = setTimeout(resolve, this.parts.againMs ?? REASSERT_AGAIN_MS);
      this.timer.unref();
    });
  }
}
