import { Roster } from '@tensorloop/kernel/roster';
import type { OpenCall } from './open-call.js';

/** The calls between their arrival and their exit: what a shutdown has to wait for, and then has to end. */
export class OpenCalls {
  private readonly calls = new Roster<OpenCall>();
  /** Calls that ask to be admitted: what they come to is not known yet, a hold perhaps. */
  private arriving = 0;
  private idleWaiters: (() => void)[] = [];

  get size(): number {
    return this.calls.size;
  }

  arrive(): void {
    this.arriving += 1;
  }

  /** The call was refused, or is open now. */
  arrived(): void {
    this.arriving -= 1;
    this.tellIdle();
  }

  add(call: OpenCall): void {
    this.calls.add(call);
  }

  delete(call: OpenCall): void {
    this.calls.delete(call);
    this.tellIdle();
  }

  list(): OpenCall[] {
    return this.calls.list();
  }

  /** Resolves when no call is open or asks to be, or after `timeoutMs`; true = there is none. */
  async waitUntilIdle(timeoutMs: number): Promise<boolean> {
    if (this.isIdle) return true;
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([new Promise<void>((resolve) => this.idleWaiters.push(resolve)), deadline]);
    clearTimeout(timer);
    return this.isIdle;
  }

  private get isIdle(): boolean {
    return this.calls.size + this.arriving === 0;
  }

  private tellIdle(): void {
    if (!this.isIdle) return;
    for (const resolve of this.idleWaiters) resolve();
    this.idleWaiters = [];
  }
}
