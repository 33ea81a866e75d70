/**
 * Scripts under way at once. Enough for one batch to follow another without a pause; more of them would not be answered sooner, but each
 * turn of the event loop would be longer, and with it every call that is already taken later.
 */
export const ASKING_MAX = 24;
/** A wait that nobody minds. */
export const WAIT_MS = 20;
/** A line that is longer than that for so long is no burst: more comes than can be done. */
export const STANDING_MS = 100;
/** Enough for the next batch. */
export const SHORT_LINE = ASKING_MAX;
/** Refused in a row: from then on those who stand in the line already are refused as well where they waited too long. */
export const REFUSED_MIN = 20;
/** For so long nobody may have waited too long before a line counts as a burst again. */
export const CALM_MS = 1_000;
/** Places that were left are forgotten in one go. */
const COMPACT_AFTER = 1_024;

/** What became of waiting: it may ask, it waited too long, or nobody can ask at the moment. */
export type Turn = 'ask' | 'late' | 'down';

interface Place {
  sinceMs: number;
  tell: (turn: Turn) => void;
}

/**
 * Where calls wait before they ask Redis. Whoever is refused here has taken nothing: no hold, no place among the calls of a minute. So this is
 * where an overload waits, and not further on, where it would make everything slower that is under way. A burst is served, however long its line; what
 * keeps coming is refused by the wait of whoever is first, so that as many pass as can be served, without anybody having to know how many.
 */
export class WaitingLine {
  private asking = 0;
  private places: Place[] = [];
  private first = 0;
  /** Since when whoever is first has waited too long; null = they have not. */
  private longSinceMs: number | null = null;
  private overloadedAtMs = Number.NEGATIVE_INFINITY;
  private refused = 0;

  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  /** Those that ask and those that wait to. */
  get size(): number {
    return this.asking + this.places.length - this.first;
  }

  /** Whether another would be one too many. Asked once per call, before anything of it is read. */
  refuses(): boolean {
    if (this.first === this.places.length) return false;
    const nowMs = this.nowMs();
    // What comes within one turn of the event loop sees nobody grow older: while it is overloaded a line is kept short by number as well.
    const isRefused = this.isTooLong(nowMs) || (!this.isCalm(nowMs) && this.places.length - this.first >= SHORT_LINE);
    if (isRefused) this.refused += 1;
    return isRefused;
  }

  /** Null = ask at once. Whoever asks says so by `leave` when it is answered. */
  enter(): Promise<Turn> | null {
    if (this.asking < ASKING_MAX) {
      this.asking += 1;
      return null;
    }
    return new Promise((tell) => this.places.push({ sinceMs: this.nowMs(), tell }));
  }

  leave(): void {
    this.asking -= 1;
    if (this.first === this.places.length) return;
    const nowMs = this.nowMs();
    const oldestMs = this.isTooLong(nowMs) && this.refused >= REFUSED_MIN ? nowMs - WAIT_MS : Number.NEGATIVE_INFINITY;
    while (this.asking < ASKING_MAX) {
      const place = this.shift();
      if (place === undefined) return;
      if (place.sinceMs >= oldestMs) this.asking += 1;
      place.tell(place.sinceMs >= oldestMs ? 'ask' : 'late');
    }
  }

  /** Redis does not answer: whoever waits would wait in vain, and be told so later than at once. */
  disband(): void {
    for (let place = this.shift(); place !== undefined; place = this.shift()) place.tell('down');
  }

  private isTooLong(nowMs: number): boolean {
    const place = this.places[this.first];
    if (place === undefined || nowMs - place.sinceMs < WAIT_MS) {
      this.longSinceMs = null;
      return false;
    }
    this.longSinceMs ??= nowMs;
    const isCalm = this.isCalm(nowMs);
    if (isCalm && nowMs - this.longSinceMs < STANDING_MS) return false;
    if (isCalm) this.refused = 0;
    this.overloadedAtMs = nowMs;
    return true;
  }

  private isCalm(nowMs: number): boolean {
    return nowMs - this.overloadedAtMs > CALM_MS;
  }

  private shift(): Place | undefined {
    const place = this.places[this.first];
    if (place === undefined) return undefined;
    this.first += 1;
    if (this.first === this.places.length || this.first >= COMPACT_AFTER) {
      this.places = this.places.slice(this.first);
      this.first = 0;
    }
    if (this.places.length === 0) this.longSinceMs = null;
    return place;
  }
}
