import type { KnownKey } from './known-keys.js';
import { RestoringRound, type RestoringRoundParts } from './restoring-round.js';

/** How long one run may take, NATS being there. What is not restored by then is fetched by the calls that need it. */
export const RESTORE_MS_MAX = 60_000;
/** What could not be restored is tried again after this time. A round asks few questions of whoever does not answer. */
export const RESTORE_AGAIN_MS = 2_000;
/** After a run no call begins another for this long; each run that did not restore everything doubles it. */
export const RESTORE_REST_MS = 5_000;
export const RESTORE_REST_MS_MAX = 5 * 60_000;

export interface AccountRestoringParts extends RestoringRoundParts {
  isNatsUp: () => boolean;
  nowMs: () => number;
  /** For tests. */
  againMs?: number;
  restMs?: number;
  runMsMax?: number;
}

/**
 * After Redis lost what it knew, asks for all that the keys in use will need, before they are used. Each would else need the
 * control plane, metering and the database at its first call, perhaps minutes later, when one of them is down. Nothing here
 * decides anything: what is not restored is fetched by the call that needs it.
 */
export class AccountRestoring {
  private running: Promise<void> | null = null;
  /** Grows with each run that is asked for; one that is under way ends for the next. */
  private wanted = 0;
  private isStopping = false;
  private isComplete = true;
  private runId: string | null = null;
  private timer: NodeJS.Timeout | null = null;
  private wake: () => void = () => undefined;
  private restMs: number;
  private restUntilMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: AccountRestoringParts) {
    this.restMs = this.restMsMin;
  }

  /** Called at each connection to Redis. The first one of this process, which knows no keys yet, has nothing to restore. */
  redisIsReady(runId: string | null): void {
    const isAnother = runId !== this.runId;
    this.runId = runId;
    if (isAnother) this.restMs = this.restMsMin;
    if (isAnother || (!this.isComplete && this.running === null)) void this.all();
  }

  /** A call found its account's epoch lost: where it is one that was served before, the others' are lost as well. */
  epochIsLost(keyHash: string): void {
    if (this.running !== null || performance.now() < this.restUntilMs || !this.parts.known.has(keyHash)) return;
    void this.all();
  }

  /** Every account in use, from the beginning, also where a run is under way: Redis may have lost again what that one restored. */
  all(): Promise<void> {
    this.wanted += 1;
    this.wake();
    this.running ??= this.repeat().finally(() => this.rest());
    return this.running;
  }

  stop(): void {
    this.isStopping = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.wake();
  }

  private get restMsMin(): number {
    return this.parts.restMs ?? RESTORE_REST_MS;
  }

  private rest(): void {
    this.running = null;
    this.restMs = this.isComplete ? this.restMsMin : Math.min(2 * this.restMs, RESTORE_REST_MS_MAX);
    this.restUntilMs = performance.now() + this.restMs;
  }

  private async repeat(): Promise<void> {
    let begun: number;
    do {
      begun = this.wanted;
      this.isComplete = await this.run(() => this.isStopping || begun !== this.wanted);
    } while (begun !== this.wanted && !this.isStopping);
  }

  /** True = nothing is left to restore. */
  private async run(isCut: () => boolean): Promise<boolean> {
    const { parts } = this;
    const againMs = parts.againMs ?? RESTORE_AGAIN_MS;
    const deadline = () => performance.now() + (parts.runMsMax ?? RESTORE_MS_MAX);
    let waiting: KnownKey[][] = parts.known.byAccount(parts.nowMs());
    let deadlineMs = deadline();
    const isOver = () => isCut() || performance.now() >= deadlineMs;
    while (waiting.length > 0 && !isOver()) {
      if (parts.isNatsUp()) {
        waiting = await new RestoringRound(parts, () => isOver() || !parts.isNatsUp()).run(waiting);
        if (waiting.length === 0) return true;
        await this.pause(againMs);
      } else {
        // Nobody can be asked. Waiting for it is no part of the run, and costs nothing.
        await this.pause(againMs);
        deadlineMs = deadline();
      }
    }
    return waiting.length === 0;
  }

  private pause(ms: number): Promise<void> {
    if (this.isStopping) return Promise.resolve();
    return new Promise((resolve) => {
      this.wake = resolve;
      this.timer = setTimeout(resolve, ms);
      this.timer.unref();
    });
  }
}
