import type { OpenCall } from './open-call.js';

/** The calls between admission and their exit: what a shutdown has to wait for, and then has to end. */
export class OpenCalls {
  private readonly calls = new Set<OpenCall>();
  private idleWaiters: (() => void)[] = [];

  get size(): number {
    return this.calls.size;
  }

  add(call: OpenCall): void {
    this.calls.add(call);
  }

  delete(call: OpenCall): void {
    this.calls.delete(call);
    if (this.calls.size > 0) return;
    for (const resolve of this.idleWaiters) resolve();
    this.idleWaiters = [];
  }

  list(): OpenCall[] {
    return [...this.calls];
  }

  /** Resolves when no call is open, or after `timeoutMs`; true = none is open. */
  async waitUntilIdle(timeoutMs: number): Promise<boolean> {
    if (this.calls.size === 0) return true;
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([new Promise<void>((resolve) => this.idleWaiters.push(resolve)), deadline]);
    clearTimeout(timer);
    return this.calls.size === 0;
  }
}
