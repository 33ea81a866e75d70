import { Roster, type RosterMember } from '@tensorloop/kernel/roster';

/** How often open calls are looked at. One timer for all: a timer per call and deadline costs more than the looking. */
export const TICK_MS = 500;

export interface Ticking extends RosterMember {
  tick(nowMs: number): void;
}

/** Calls `tick` of every open call at a steady pace; deadlines are checked there and are therefore TICK_MS coarse. */
export class Ticker {
  private readonly open = new Roster<Ticking>();
  private readonly timer: NodeJS.Timeout;

  constructor(intervalMs: number = TICK_MS) {
    this.timer = setInterval(() => this.tickAll(), intervalMs);
    this.timer.unref();
  }

  get size(): number {
    return this.open.size;
  }

  add(ticking: Ticking): void {
    this.open.add(ticking);
  }

  delete(ticking: Ticking): void {
    this.open.delete(ticking);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private tickAll(): void {
    const nowMs = performance.now();
    this.open.forEach((ticking) => {
      ticking.tick(nowMs);
    });
  }
}
