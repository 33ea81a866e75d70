import type { Counters, Entry } from './counters.types.js';
import { type Count, counted, counterKey, LIMITS, standingOf, type Window } from './throttle.rules.js';

/** Windows remembered; the one that was least recently counted goes first. */
export const WINDOWS_MAX = 50_000;

/** Of this process alone: what bounds are kept by while Redis is away. With n replicas they are n times as high. */
export class MemoryCounters implements Counters {
  private readonly windows = new Map<string, Window>();

  get size(): number {
    return this.windows.size;
  }

  enter(counts: readonly Count[], nowMs: number): Promise<Entry> {
    const isRefused = this.standings(counts, nowMs).some(({ left }) => left <= 0);
    if (!isRefused) for (const count of counts) this.count(count, nowMs);
    return Promise.resolve({ isRefused, standings: this.standings(counts, nowMs) });
  }

  giveBack(counts: readonly Count[]): Promise<void> {
    for (const count of counts) {
      const window = this.windows.get(counterKey(count));
      if (window !== undefined && window.count > 0) window.count -= 1;
    }
    return Promise.resolve();
  }

  clear(counts: readonly Count[]): Promise<void> {
    for (const count of counts) this.windows.delete(counterKey(count));
    return Promise.resolve();
  }

  private standings(counts: readonly Count[], nowMs: number): Entry['standings'] {
    return counts.map((count) => standingOf(this.windows.get(counterKey(count)), LIMITS[count.limit], nowMs));
  }

  private count(count: Count, nowMs: number): void {
    const key = counterKey(count);
    const window = counted(this.windows.get(key), LIMITS[count.limit], nowMs);
    // Set anew, so that the map's order is that of the latest counts.
    this.windows.delete(key);
    this.windows.set(key, window);
    if (this.windows.size <= WINDOWS_MAX) return;
    const [oldest] = this.windows.keys();
    if (oldest !== undefined) this.windows.delete(oldest);
  }
}
