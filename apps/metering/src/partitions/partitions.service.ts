import { Injectable } from '@nestjs/common';
import { DAY_MS, utcDay } from '@tensorloop/kernel/budget-window';
import { PartitionsRepository } from './partitions.repository.js';

/** How far ahead partitions are kept: two weeks in which nothing of ours needs to run. */
export const DAYS_AHEAD = 14;
/** Days remembered as present; the memory is dropped beyond it rather than grown. */
const DAYS_REMEMBERED_MAX = 1_000;

@Injectable()
export class PartitionsService {
  private readonly present = new Set<string>();

  constructor(private readonly partitions: PartitionsRepository) {}

  /** Makes sure that the days have partitions. Costs nothing for days seen before. */
  async ensure(days: readonly string[]): Promise<void> {
    for (const day of new Set(days)) {
      if (this.present.has(day)) continue;
      await this.partitions.ensure(day);
      if (this.present.size >= DAYS_REMEMBERED_MAX) this.present.clear();
      this.present.add(day);
    }
  }

  /** Yesterday to DAYS_AHEAD days after `nowMs`. */
  async ensureAhead(nowMs: number): Promise<void> {
    this.forget();
    await this.ensure(Array.from({ length: DAYS_AHEAD + 2 }, (_, offset) => utcDay(nowMs + (offset - 1) * DAY_MS)));
  }

  forget(): void {
    this.present.clear();
  }
}
