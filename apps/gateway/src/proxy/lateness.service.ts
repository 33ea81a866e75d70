import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';

/** How often the event loop is asked how late it is. */
export const LATENESS_TICK_MS = 20;
/** Part of the newest reading in the average: one collection of garbage is no overload. */
const SMOOTHING = 0.25;
/** A reading counts for no more than so many times what is late: whatever a machine is doing once, alone it sheds nothing. */
const READING_MAX = 4;
/** A loop that is late is asked seldom: a reading then counts for the time since the last, up to so many of them. */
const TICKS_MAX = 5;
/**
 * Shedding begins when being late has lasted for so long. A pause of the machine, of Redis, of the collector makes calls late for a few hundred
 * milliseconds and is over, while an overload stays; and an overload of calls that wait to be admitted is held off by their line long before. A
 * reading counts for no more than its bounded worth here too. It goes on without waiting: an overload that is held off comes back as soon as it is let in.
 */
const STANDING_MS = 1_000;
/** What is refused at once when it begins: by then there are calls in hand that should not be. */
const SHED_FIRST = 0.5;
/**
 * Of the calls that still pass, so many fewer pass after a reading that is just late; twice as late, twice as many, up to a bound.
 * By shares of what passes, so that an overload of three times what can be served is held off within a few readings.
 */
const SHED_STEP_UP = 0.08;
const SHED_STEP_FACTOR_MAX = 3;
/** How fast the share shrinks while nothing is late, per reading: from most to none in two seconds. */
const SHED_STEP_DOWN = 0.01;
/** How fast the last waits for admission are forgotten, per reading. */
const FORGET_STEP = 0.05;
/** Some calls always pass, so that the end of an overload is noticed by serving. */
export const SHED_SHARE_MAX = 0.95;

/**
 * Which share of new calls is refused because those taken are late. What waits for a provider costs no turn of the loop and
 * so may be as slow as it likes; what waits for this process does, and taking on more would make all of it later still.
 */
export class Lateness implements OnApplicationBootstrap, OnApplicationShutdown {
  private averageMs = 0;
  private share = 0;
  private admissionMs = 0;
  /** For how long it has been late without a break. */
  private lateForMs = 0;
  private timer: NodeJS.Timeout | null = null;

  /** Above `lateMs` calls are shed. A call takes some eight turns of the loop, so it is held up by about eight times as much. */
  constructor(
    private readonly lateMs: number,
    private readonly random: () => number = Math.random,
  ) {}

  get sharePercent(): number {
    return this.share * 100;
  }

  private get isLate(): boolean {
    return this.worstMs > this.lateMs;
  }

  private get worstMs(): number {
    return Math.max(this.averageMs, this.admissionMs);
  }

  onApplicationBootstrap(): void {
    let readAtMs = performance.now();
    this.timer = setInterval(() => {
      const nowMs = performance.now();
      this.observe(Math.max(0, nowMs - readAtMs - LATENESS_TICK_MS));
      readAtMs = nowMs;
    }, LATENESS_TICK_MS);
    this.timer.unref();
  }

  onApplicationShutdown(): void {
    if (this.timer !== null) clearInterval(this.timer);
  }

  /** How long a call waited to be admitted: a Redis that cannot follow makes calls late as well. */
  noteAdmission(waitedMs: number): void {
    this.admissionMs += (Math.min(waitedMs, READING_MAX * this.lateMs) - this.admissionMs) * SMOOTHING;
  }

  /** One reading of the loop. */
  observe(lateMs: number): void {
    const countedMs = Math.min(lateMs, READING_MAX * this.lateMs);
    this.averageMs += (countedMs - this.averageMs) * SMOOTHING;
    const ticks = Math.min(TICKS_MAX, 1 + lateMs / LATENESS_TICK_MS);
    this.lateForMs = this.isLate ? this.lateForMs + countedMs + LATENESS_TICK_MS : 0;
    if (!this.isLate) this.share = Math.max(0, this.share - SHED_STEP_DOWN);
    else if (this.share > 0 || this.lateForMs >= STANDING_MS) {
      const step = SHED_STEP_UP * ticks * Math.min(SHED_STEP_FACTOR_MAX, this.worstMs / this.lateMs);
      const before = this.share === 0 ? SHED_FIRST : this.share;
      this.share = Math.min(SHED_SHARE_MAX, before + (1 - before) * Math.min(1, step));
    }
    // Where nobody is admitted any more nobody says that it goes fast again.
    this.admissionMs *= 1 - FORGET_STEP;
  }

  /** Whether to refuse the call at hand. */
  sheds(): boolean {
    return this.share > 0 && this.random() < this.share;
  }
}
