import { setTimeout as delay } from 'node:timers/promises';
import type { ActivityPage } from '@tensorloop/contracts/dashboard-api';

const POLL_INTERVAL_MS = 10;
/** A row that is not seen for this long is given up; whether it is lost is for the comparison afterwards to say. */
const UNSEEN_MS_MAX = 30_000;
const PAGE_ROWS = 200;

/** Reads the newest rows of one key, as its owner would. */
export type ReadNewest = (limit: number) => Promise<ActivityPage>;

/**
 * Measures last byte → row visible in `GET /api/activity`, by asking again and again. What it says is an upper bound: the
 * interval between two polls and the poll itself are in it.
 */
export class VisibilityPoller {
  /** Milliseconds, one per row seen. */
  readonly delaysMs: number[] = [];
  unseen = 0;
  /** Polls that failed: the dashboard API must keep answering under load. */
  failedPolls = 0;
  private readonly waiting = new Map<string, number>();
  private readonly readNewest: ReadNewest;
  private isStopping = false;
  private readonly polling: Promise<void>;

  constructor(readNewest: ReadNewest) {
    this.readNewest = readNewest;
    this.polling = this.poll();
  }

  /** The last byte of a call arrived at `endedAtMs` (performance.now()). */
  expect(requestId: string, endedAtMs: number): void {
    this.waiting.set(requestId, endedAtMs);
  }

  /** Waits until every row expected has been seen or given up. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.polling;
  }

  private async poll(): Promise<void> {
    while (!this.isStopping || this.waiting.size > 0) {
      if (this.waiting.size > 0) await this.pollOnce();
      await delay(POLL_INTERVAL_MS);
    }
  }

  private async pollOnce(): Promise<void> {
    try {
      const page = await this.readNewest(PAGE_ROWS);
      const seenAtMs = performance.now();
      for (const { requestId } of page.data) this.see(requestId, seenAtMs);
    } catch {
      this.failedPolls++;
    }
    const oldestMs = performance.now() - UNSEEN_MS_MAX;
    for (const [requestId, endedAtMs] of this.waiting) {
      if (endedAtMs >= oldestMs) continue;
      this.waiting.delete(requestId);
      this.unseen++;
    }
  }

  private see(requestId: string, seenAtMs: number): void {
    const endedAtMs = this.waiting.get(requestId);
    if (endedAtMs === undefined) return;
    this.waiting.delete(requestId);
    this.delaysMs.push(Math.max(0, seenAtMs - endedAtMs));
  }
}
