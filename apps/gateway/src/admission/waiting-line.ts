import { Deque } from './deque.js';

/**
 * Scripts under way at once. Enough for one batch to follow another without a pause; more of them would not be answered sooner, but each
 * turn of the event loop would be longer, and with it every call that is already taken later.
 */
export const ASKING_MAX = 24;
/** While it is overloaded a line is no longer than this: enough for the next batch. */
const SHORT_LINE = ASKING_MAX;
/**
 * Once all those are gone who came at first, for so long of the time in which scripts are answered the line has not caught up: more comes
 * than can be done. Behind a pause of any length a line that can be served catches up all the time.
 */
export const STANDING_MS = 250;
/** In a line this long what looks like a pause may be a turn of the loop full of new calls. */
const LONG_LINE = 12 * ASKING_MAX;
/** How long such a line is borne with if it has grown by GROWN_BY since it had caught up furthest. One that a pause made grows no more. */
const LONG_STANDING_MS = 40;
const GROWN_BY = 4 * ASKING_MAX;
/** The time between two answers counts for no more than this: nobody catches up while Redis, the collector or the machine pauses. */
const TURN_MS = 12;
/**
 * Behind a silence this long it is looked at anew: calls that came meanwhile may all be read at once, like a burst. Not if the answers before it
 * came within TURN_MS as well: then every turn of the loop is that long.
 */
const SILENCE_MS = 40;
/** An overload is looked at anew after so long. */
export const OVERLOAD_MS = 1_000;
/** It goes on where so many were refused meanwhile; fewer may be the doing of a pause. */
const REFUSED_MIN = 50;
/** From so many on those who stand in the line already and have waited too long are refused as well. */
export const CULL_AFTER = 20;
/** Nobody who stood there before a newer call was let past waits for longer than this because of it. */
export const PATIENCE_MS = 300;

/** What became of waiting: it may ask, it waited too long, or nobody can ask at the moment. */
export type Turn = 'ask' | 'late' | 'down';

/** What was between two answers. */
interface Silence {
  lastsMs: number;
  isPause: boolean;
}

interface Place {
  sinceMs: number;
  tell: (turn: Turn) => void;
}

/** How far the line is behind, on a clock that stands still while nothing is answered. */
interface Standing {
  /** That clock. */
  answeringMs: number;
  /** The least that it was behind, up to a constant, when on that clock, and how many waited then: it has not caught up since. */
  leastMs: number;
  leastAtMs: number;
  leastWaiting: number;
}

/**
 * Where calls wait before they ask Redis. Whoever is refused here has taken nothing: no hold, no place among the calls of a minute. So this is
 * where an overload waits, and not further on, where it would make everything slower that is under way. A burst is served, however long its line; what
 * keeps coming is refused by the wait of whoever is first, so that as many pass as can be served, without anybody having to know how many.
 * While it is not known yet which of the two a line is, the newest of it ask first: an overload makes nobody late who is served, and those who
 * stand there meanwhile are served as soon as the line has caught up, or refused once it is an overload.
 */
export class WaitingLine {
  private asking = 0;
  private readonly places = new Deque<Place>();
  /**
   * When those who would stand in it came if the oldest always asked first, as many as stand in it. By the first of these the line is judged: it is
   * who is meant by "whoever is first".
   */
  private readonly arrivals = new Deque<number>();
  /** Those who have had a turn and have to ask once more. They go before all others, and nothing is judged by them. */
  private readonly again = new Deque<Place>();
  /** Since when whoever is first has waited too long; null = they have not. */
  private longSinceMs: number | null = null;
  /** Kept from when whoever is first came after that, else null; of a burst everyone came before. */
  private standing: Standing | null = null;
  private answeredAtMs = Number.NEGATIVE_INFINITY;
  /** The first answer behind the last silence. */
  private answersFromMs = Number.NEGATIVE_INFINITY;
  private overloadedAtMs = Number.NEGATIVE_INFINITY;
  /** Since then. */
  private refused = 0;

  /** `waitMs`: a wait that nobody minds. */
  constructor(
    private readonly waitMs: number,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /** Those that ask and those that wait to. */
  get size(): number {
    return this.asking + this.waiting + this.again.size;
  }

  private get waiting(): number {
    return this.places.size;
  }

  /** Whether another would be one too many. Asked once per call, before anything of it is read. */
  refuses(): boolean {
    if (this.waiting === 0) return false;
    const isLong = this.observe(this.nowMs());
    // What comes within one turn of the event loop sees nobody grow older: hence by number as well.
    const isRefused = this.isOverloaded && (isLong || this.waiting >= SHORT_LINE);
    if (isRefused) this.refused += 1;
    return isRefused;
  }

  /** Null = ask at once. Whoever asks says so by `leave` when it is answered. */
  enter(): Promise<Turn> | null {
    if (this.asking < ASKING_MAX) {
      this.asking += 1;
      return null;
    }
    const sinceMs = this.nowMs();
    this.arrivals.push(sinceMs);
    return new Promise((tell) => this.places.push({ sinceMs, tell }));
  }

  /** For whoever has had a turn and has to ask once more: as `enter`, but never too late. */
  enterAgain(): Promise<Turn> | null {
    if (this.asking < ASKING_MAX) {
      this.asking += 1;
      return null;
    }
    return new Promise((tell) => this.again.push({ sinceMs: this.nowMs(), tell }));
  }

  leave(): void {
    this.asking -= 1;
    const nowMs = this.nowMs();
    const silence = this.noteAnswer(nowMs);
    while (this.asking < ASKING_MAX && this.again.size > 0) {
      this.asking += 1;
      this.again.shift()?.tell('ask');
    }
    // While others go first the line cannot catch up.
    if (this.waiting === 0 || this.asking >= ASKING_MAX) return;
    const isLong = this.observe(nowMs);
    if (isLong) this.stand(silence, nowMs);
    if (isLong && this.isOverloaded && this.refused >= CULL_AFTER) this.tellThoseSince(nowMs - this.waitMs, 'late');
    while (this.asking < ASKING_MAX && this.waiting > 0) {
      this.asking += 1;
      this.take(this.isNewestFirst(nowMs) ? 'last' : 'first').tell('ask');
    }
  }

  /** Redis does not answer: whoever has waited for long already would wait in vain, and be told so later than need be. */
  disband(): void {
    const sinceMs = this.nowMs() - this.waitMs;
    this.tellThoseSince(sinceMs, 'down');
    while ((this.again.first?.sinceMs ?? Number.POSITIVE_INFINITY) <= sinceMs) this.again.shift()?.tell('down');
  }

  private noteAnswer(nowMs: number): Silence {
    const lastsMs = nowMs - this.answeredAtMs;
    const isPause = lastsMs > SILENCE_MS && this.answeredAtMs - this.answersFromMs > TURN_MS;
    if (lastsMs > SILENCE_MS) this.answersFromMs = nowMs;
    this.answeredAtMs = nowMs;
    return { lastsMs, isPause };
  }

  private tellThoseSince(sinceMs: number, turn: Turn): void {
    for (let place = this.places.first; place !== undefined && place.sinceMs <= sinceMs; place = this.places.first) {
      this.take('first').tell(turn);
    }
  }

  private isNewestFirst(nowMs: number): boolean {
    const oldest = this.places.first;
    return this.standing !== null && oldest !== undefined && nowMs - oldest.sinceMs < PATIENCE_MS;
  }

  private get isOverloaded(): boolean {
    return this.overloadedAtMs !== Number.NEGATIVE_INFINITY;
  }

  /** Whether whoever is first waits too long; notes when an overload is over. */
  private observe(nowMs: number): boolean {
    const agedMs = nowMs - this.overloadedAtMs;
    if (agedMs > OVERLOAD_MS && this.isOverloaded) {
      const goesOn = this.refused >= REFUSED_MIN && agedMs <= 2 * OVERLOAD_MS;
      this.overloadedAtMs = goesOn ? nowMs : Number.NEGATIVE_INFINITY;
      this.refused = 0;
    }
    const sinceMs = this.arrivals.first;
    if (sinceMs === undefined || nowMs - sinceMs < this.waitMs) {
      this.forgetWait();
      return false;
    }
    this.longSinceMs ??= nowMs;
    return true;
  }

  /** Whoever is first waits too long, and an answer came: notes when that begins to be an overload. */
  private stand({ lastsMs, isPause }: Silence, nowMs: number): void {
    const isLongLine = this.waiting >= LONG_LINE;
    if (isPause && !isLongLine) {
      this.longSinceMs = nowMs + TURN_MS;
      this.standing = null;
    }
    const sinceMs = this.arrivals.first;
    if (this.isOverloaded || sinceMs === undefined || this.longSinceMs === null || sinceMs <= this.longSinceMs) return;
    this.standing ??= { answeringMs: 0, leastMs: Number.POSITIVE_INFINITY, leastAtMs: 0, leastWaiting: this.waiting };
    const { standing } = this;
    standing.answeringMs += isLongLine ? lastsMs : Math.min(lastsMs, TURN_MS);
    const behindMs = standing.answeringMs - sinceMs;
    if (behindMs < standing.leastMs) {
      standing.leastMs = behindMs;
      standing.leastAtMs = standing.answeringMs;
      standing.leastWaiting = this.waiting;
      return;
    }
    const isGrowing = isLongLine && this.waiting >= standing.leastWaiting + GROWN_BY;
    if (standing.answeringMs - standing.leastAtMs < (isGrowing ? LONG_STANDING_MS : STANDING_MS)) return;
    this.overloadedAtMs = nowMs;
    this.refused = 0;
  }

  private forgetWait(): void {
    this.longSinceMs = null;
    this.standing = null;
  }

  private take(end: 'first' | 'last'): Place {
    this.arrivals.shift();
    const place = end === 'first' ? this.places.shift() : this.places.pop();
    if (place === undefined) throw new Error('nobody stands in the line');
    if (this.places.size === 0) this.forgetWait();
    return place;
  }
}
