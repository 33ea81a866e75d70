/**
 * What Redis's clock shows, guessed from its last answer. Prices are chosen by it; the script has the last word and answers
 * `price_moved` when the guess was wrong.
 */
export class RedisClock {
  private offsetMs = 0;

  nowMs(): number {
    return Date.now() + this.offsetMs;
  }

  note(redisNowMs: number): void {
    this.offsetMs = redisNowMs - Date.now();
  }
}
