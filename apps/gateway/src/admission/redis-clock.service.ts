/**
 * What Redis's clock shows, guessed from its last answer. Prices are chosen by it and request ids are minted by it; the script
 * has the last word and answers `price_moved` when the guess was wrong.
 *
 * It runs on with this process's monotonic clock: whatever becomes of the machine's own, an id is of about the same instant as
 * its admission. An id that is a day off would be quarantined by metering (`id_time`), and its call never charged.
 */
export class RedisClock {
  private offsetMs = performance.timeOrigin;

  /** Unix ms, whole. */
  nowMs(): number {
    return Math.round(performance.now() + this.offsetMs);
  }

  note(redisNowMs: number): void {
    this.offsetMs = redisNowMs - performance.now();
  }
}
