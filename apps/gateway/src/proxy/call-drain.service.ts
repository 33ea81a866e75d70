import type { Capacity } from './capacity.service.js';
import type { OpenCalls } from './open-calls.service.js';

/** How long the ends of the rest may take: one group commit, and a tokenizer that is asked nothing. */
export const END_DEADLINE_MS = 2_000;

/** Brings the open calls to an end at shutdown: those that can finish finish, the others are settled as counted. */
export class CallDrain {
  constructor(
    private readonly openCalls: OpenCalls,
    private readonly capacity: Capacity,
    private readonly deadlineMs: number,
  ) {}

  async drain(): Promise<void> {
    this.capacity.drain();
    if (await this.openCalls.waitUntilIdle(this.deadlineMs)) return;
    for (const call of this.openCalls.list()) void call.endNow();
    await this.openCalls.waitUntilIdle(END_DEADLINE_MS);
  }
}
