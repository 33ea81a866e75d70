import { statfs } from 'node:fs/promises';
import type { Journal } from './journal.service.js';

/** Largest `completed` record there can be; this much is kept free for every open call. */
export const COMPLETED_RECORD_BYTES_MAX = 8 * 1024;
/** Free space below which admission stops, besides what open calls need. */
export const FREE_BYTES_MIN = 64 * 1024 * 1024;
/** The journal's own size above which admission stops: metering has been away for millions of calls. */
export const JOURNAL_BYTES_MAX = 8 * 1024 ** 3;
/** Records waiting for the disk above which admission stops. */
export const PENDING_BYTES_MAX = 16 * 1024 * 1024;
export const CHECK_INTERVAL_MS = 1_000;

export interface DiskGuardOptions {
  folder: string;
  journal: Pick<Journal, 'failures' | 'pendingBytes' | 'diskBytes'>;
  openCalls: () => number;
  freeBytesMin?: number;
  journalBytesMax?: number;
}

/** Says whether the journal can take another call and still be sure to hold the end of every open one. */
export class DiskGuard {
  private freeBytes = Number.POSITIVE_INFINITY;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly options: DiskGuardOptions) {
    this.timer = setInterval(() => void this.measure(), CHECK_INTERVAL_MS);
    this.timer.unref();
    void this.measure();
  }

  /** Why no call may be admitted now, for operators; null = there is room. */
  problem(): string | null {
    const { journal, openCalls, freeBytesMin = FREE_BYTES_MIN, journalBytesMax = JOURNAL_BYTES_MAX } = this.options;
    const promised = (openCalls() + 1) * COMPLETED_RECORD_BYTES_MAX;
    if (journal.failures > 0) return 'the journal cannot be written';
    if (journal.pendingBytes > PENDING_BYTES_MAX) return 'the disk is too slow for the journal';
    if (this.freeBytes - promised < freeBytesMin) return 'the disk of the journal is full';
    return journal.diskBytes + promised > journalBytesMax ? 'the journal has reached its size limit' : null;
  }

  async measure(): Promise<void> {
    try {
      const { bavail, bsize } = await statfs(this.options.folder);
      this.freeBytes = bavail * bsize;
    } catch {
      // A disk that does not even tell its size is one to write nothing on.
      this.freeBytes = 0;
    }
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
