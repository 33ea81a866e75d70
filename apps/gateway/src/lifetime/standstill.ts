import { uptime } from 'node:os';
import { FENCE_AFTER_MS, HEARTBEAT_MS } from '@tensorloop/contracts/gateway-registry';
import { unavailable } from '../errors/api-error.types.js';
import type { OpenCalls } from '../proxy/open-calls.service.js';

/** How often the process makes sure that it has been running. */
export const WATCH_MS = 1_000;
/** Whoever stood still for so long may have been fenced: its last beat was up to HEARTBEAT_MS old when it stopped. */
export const STANDSTILL_MS_MAX = FENCE_AFTER_MS - HEARTBEAT_MS;
const MS_PER_SECOND = 1_000;
const RETRY_SECONDS = 1;

export interface StandstillParts {
  openCalls: Pick<OpenCalls, 'list'>;
  /** Told of each standstill that ended calls. */
  onFenced: (stoodMs: number, calls: number) => void;
  /** Monotonic ms, one of which goes on while the machine sleeps. */
  clocks?: readonly (() => number)[];
}

/**
 * A process that was stopped (SIGSTOP, a frozen container, a machine asleep) for longer than the fence comes back into a world
 * that may have gone on without it: others may have rebuilt accounts without its holds, and what they covered may be spent.
 * So the calls it had open are ended and charged as counted, before more of them is served. What it settled is in its
 * journal and is asserted again; a gateway that was merely cut off from NATS went on serving, and is not meant here.
 */
export class Standstill {
  private readonly clocks: readonly (() => number)[];
  private seenAtMs: number[];
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly parts: StandstillParts) {
    this.clocks = parts.clocks ?? [() => performance.now(), () => uptime() * MS_PER_SECOND];
    this.seenAtMs = this.read();
  }

  start(): void {
    this.seenAtMs = this.read();
    this.timer = setInterval(() => this.look(), WATCH_MS);
    this.timer.unref();
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
  }

  /** One look at the clocks. */
  look(): void {
    const nowMs = this.read();
    const stoodMs = Math.max(...nowMs.map((atMs, index) => atMs - (this.seenAtMs[index] as number)));
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

  private read(): number[] {
    return this.clocks.map((clock) => clock());
  }
}
