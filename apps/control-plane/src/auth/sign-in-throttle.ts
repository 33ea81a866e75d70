import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock.js';

/** Failed attempts with one address per window; nobody mistypes a password that often. */
export const FAILURES_MAX = 20;
export const FAILURES_WINDOW_MS = 10 * 60_000;
/** Addresses remembered. To push one out takes as many attempts, each of which costs a password hash. */
export const ADDRESSES_MAX = 10_000;

export class SignInThrottledError extends Error {
  override name = 'SignInThrottledError';
  constructor(readonly retryAfterMs: number) {
    super('too many failed attempts to sign in with this address');
  }
}

interface Failures {
  count: number;
  windowEndsMs: number;
}

/**
 * Keeps passwords from being guessed: attempts with one address are bounded, whether or not somebody has it, so that the
 * refusal tells nothing. Each process counts for itself, because signing in works while Redis is away: with n replicas the
 * bound is n times as high. Sessions that exist go on.
 */
@Injectable()
export class SignInThrottle {
  private readonly failures = new Map<string, Failures>();

  constructor(@Inject(CLOCK) private readonly clock: Clock) {}

  /** Addresses remembered at the moment. */
  get size(): number {
    return this.failures.size;
  }

  /** Runs `work`, for which null is a failure; throws SignInThrottledError instead when there were too many. */
  async attempt<T>(email: string, work: () => Promise<T | null>): Promise<T | null> {
    const entry = this.enter(email);
    try {
      const result = await work();
      if (result !== null) this.failures.delete(email);
      return result;
    } catch (err) {
      // It said nothing about the password.
      entry.count -= 1;
      throw err;
    }
  }

  /** Counts the attempt before it is made: guesses sent in parallel must not all pass. */
  private enter(email: string): Failures {
    const nowMs = this.clock();
    const known = this.failures.get(email);
    const entry =
      known === undefined || nowMs >= known.windowEndsMs ? { count: 0, windowEndsMs: nowMs + FAILURES_WINDOW_MS } : known;
    if (entry.count >= FAILURES_MAX) throw new SignInThrottledError(entry.windowEndsMs - nowMs);
    entry.count += 1;
    // Set anew, so that the map's order is that of the latest attempts.
    this.failures.delete(email);
    this.failures.set(email, entry);
    if (this.failures.size > ADDRESSES_MAX) this.forgetOldest();
    return entry;
  }

  private forgetOldest(): void {
    const [oldest] = this.failures.keys();
    if (oldest !== undefined) this.failures.delete(oldest);
  }
}
