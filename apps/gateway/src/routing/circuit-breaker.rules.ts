/** So many failures in a row open the circuit. */
export const CONSECUTIVE_FAILURES_MAX = 10;
/** Or this share of failures, once enough calls ended within the window to speak of a share. */
export const FAILURE_RATIO_MAX = 0.5;
export const RATIO_CALLS_MIN = 20;
export const RATIO_WINDOW_MS = 10_000;
/** How long nothing is sent; afterwards one call at a time tries whether it works again. */
export const OPEN_MS = 5_000;
export const PROBES_MAX = 1;

export type CircuitState = 'closed' | 'open' | 'half_open';
export type CircuitResult = 'worked' | 'failed' | 'unknown';

interface Counts {
  calls: number;
  failures: number;
}

/**
 * A circuit breaker. Time is an argument. Whoever is let through by `begin` passes its return value to `end`, once: results
 * of calls from before the circuit opened must not close it.
 */
export class CircuitBreaker {
  private openedAtMs: number | null = null;
  private consecutiveFailures = 0;
  private probes = 0;
  private generation = 0;
  private windowStartMs = 0;
  private current: Counts = { calls: 0, failures: 0 };
  private previous: Counts = { calls: 0, failures: 0 };

  constructor(private readonly onOpened: () => void = () => undefined) {}

  stateAt(nowMs: number): CircuitState {
    if (this.openedAtMs === null) return 'closed';
    return nowMs - this.openedAtMs < OPEN_MS ? 'open' : 'half_open';
  }

  /** Whether a call may begin now. */
  isPassable(nowMs: number): boolean {
    const state = this.stateAt(nowMs);
    return state === 'closed' || (state === 'half_open' && this.probes < PROBES_MAX);
  }

  /** When calls may begin again; 0 = now. */
  waitMs(nowMs: number): number {
    return this.openedAtMs === null ? 0 : Math.max(0, this.openedAtMs + OPEN_MS - nowMs);
  }

  begin(nowMs: number): number {
    if (this.stateAt(nowMs) === 'half_open') this.probes += 1;
    return this.generation;
  }

  end(generation: number, result: CircuitResult, nowMs: number): void {
    if (generation !== this.generation) return;
    if (this.openedAtMs !== null) return this.endProbe(result, nowMs);
    if (result === 'unknown') return;
    this.count(result, nowMs);
    if (this.isOverLimit()) this.open(nowMs);
  }

  private endProbe(result: CircuitResult, nowMs: number): void {
    if (result === 'unknown') this.probes -= 1;
    else if (result === 'failed') this.open(nowMs);
    else this.close(nowMs);
  }

  private count(result: CircuitResult, nowMs: number): void {
    if (nowMs - this.windowStartMs >= RATIO_WINDOW_MS) {
      const isAdjacent = nowMs - this.windowStartMs < 2 * RATIO_WINDOW_MS;
      this.previous = isAdjacent ? this.current : { calls: 0, failures: 0 };
      this.current = { calls: 0, failures: 0 };
      this.windowStartMs = nowMs;
    }
    this.current.calls += 1;
    if (result === 'failed') {
      this.current.failures += 1;
      this.consecutiveFailures += 1;
    } else this.consecutiveFailures = 0;
  }

  private isOverLimit(): boolean {
    if (this.consecutiveFailures >= CONSECUTIVE_FAILURES_MAX) return true;
    const calls = this.current.calls + this.previous.calls;
    const failures = this.current.failures + this.previous.failures;
    // A success cannot be what opens it: the last call must have failed.
    return this.consecutiveFailures > 0 && calls >= RATIO_CALLS_MIN && failures / calls >= FAILURE_RATIO_MAX;
  }

  private open(nowMs: number): void {
    this.openedAtMs = nowMs;
    this.forget(nowMs);
    this.onOpened();
  }

  private close(nowMs: number): void {
    this.openedAtMs = null;
    this.forget(nowMs);
  }

  /** Begins anew: what was under way belongs to the generation before. */
  private forget(nowMs: number): void {
    this.generation += 1;
    this.consecutiveFailures = 0;
    this.probes = 0;
    this.windowStartMs = nowMs;
    this.current = { calls: 0, failures: 0 };
    this.previous = { calls: 0, failures: 0 };
  }
}
