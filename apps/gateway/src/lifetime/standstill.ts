import { FENCE_AFTER_MS, HEARTBEAT_MS } from '@tensorloop/contracts/gateway-registry';
import { unavailable } from '../errors/api-error.types.js';
import type { OpenCalls } from '../proxy/open-calls.service.js';
import { passedMs, RUNNING_CLOCKS, type RunningClocks, readClocks } from './running-clocks.types.js';

/** How often the process makes sure that it has been running. */
export const WATCH_MS = 1_000;
/** Whoever stood still for so long may have been fenced: its last beat was up to HEARTBEAT_MS old when it stopped. */
export const STANDSTILL_MS_MAX = FENCE_AFTER_MS - HEARTBEAT_MS;
const RETRY_SECONDS = 1;

export interface StandstillParts {
  openCalls: Pick<OpenCalls, 'list'>;
  /** Told of each standstill that ended calls. */
  onFenced: (stoodMs: number, calls: number) => void;
  clocks?: RunningClocks;
}

/**
 * A process that was stopped (SIGSTOP, a frozen container, a machine asleep) for longer than the fence comes back into a world
 * that may have gone on without it: others may have rebuilt accounts without its holds, and what they covered may be spent.
 * So the calls it had open are ended and charged as counted, before more of them is served. What it settled is in its
 * journal and is asserted again; a gateway that was merely cut off from NATS went on serving, and is not meant here.
 */
export class Standstill {
  private readonly clocks: RunningClocks;
  private seenAtMs: number[];
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly parts: StandstillParts) {
    this.clocks = parts.clocks ?? RUNNING_CLOCKS;
    this.seenAtMs = readClocks(this.clocks);
  }

  start(): void {
    this.seenAtMs = readClocks(this.clocks);
    this.timer = setInterval(() => this.look(), WATCH_MS);
    this.timer.unref();
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
  }

  /** One look at the clocks. */
  look(): void {
    const nowMs = readClocks(this.clocks);
    const stoodMs = passedMs(this.seenAtMs, nowMs);
    this.seenAtMs = nowMs;
    if (stoodMs < STANDSTILL_MS_MAX) return;
    const calls = this.parts.openCalls.list();
    const error = unavailable(
      'gateway_interrupted',
      'This gateway was stopped for too long to finish the call. What had been delivered of it is charged.',
      RETRY_SECONDS,
    );
    for (const call of calls) void call.endNow(error);
    this.parts.onFenced(stoodMs, calls.length);
  }
}
