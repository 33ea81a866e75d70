import { TAG_SUMS_KEPT_DAYS } from '@tensorloop/contracts/tags';
import { DAY_MS } from '@tensorloop/kernel/budget-window';

/** Sums of tags of hours before it go (Unix ms). */
export function tagSumsKeptFrom(nowMs: number): number {
  return nowMs - TAG_SUMS_KEPT_DAYS * DAY_MS;
}
