import type { AdmissionClient, Settling } from '@tensorloop/admission/admission-client';
import type { NanoUsd } from '@tensorloop/kernel/money';

/** Writes that failed are tried again this often, and at most so many at a time. */
export const RETRY_INTERVAL_MS = 200;
export const RETRY_BATCH_MAX = 200;
/** Writes that may wait for Redis; above it, admission stops. */
export const WAITING_MAX = 100_000;

interface Write {
  accountTag: string;
  /** What the call cost; null = the hold is given back. */
  amountNanoUsd: NanoUsd | null;
  /** What it used, where its key's tokens are limited. */
  tokens?: number;
}

/**
 * Settles and releases in Redis until Redis has answered. Both are idempotent by request id, and both are in the journal or
 * found again by recovery, so a crash loses none; this queue only spares them the wait for one.
 */
export class RedisWrites {
  private readonly waiting = new Map<string, Write>();
  private readonly timer: NodeJS.Timeout;
  private isRetrying = false;
  private onMissing: (accountTag: string, requestId: string) => void = () => undefined;

  constructor(private readonly admission: Pick<AdmissionClient, 'settle' | 'settleWithTokens' | 'release'>) {
    this.timer = setInterval(() => void this.retry(), RETRY_INTERVAL_MS);
    this.timer.unref();
  }

  get size(): number {
    return this.waiting.size;
  }

  /** Told of each settled call that Redis did not know: its hold was lost, or metering's acknowledgement was faster. */
  watchMissing(onMissing: (accountTag: string, requestId: string) => void): void {
    this.onMissing = onMissing;
  }

  settle(accountTag: string, requestId: string, amountNanoUsd: NanoUsd): Promise<void> {
    return this.write(requestId, { accountTag, amountNanoUsd });
  }

  settleWithTokens(accountTag: string, requestId: string, settling: Required<Settling>): Promise<void> {
    return this.write(requestId, { accountTag, ...settling });
  }

  release(accountTag: string, requestId: string): Promise<void> {
    return this.write(requestId, { accountTag, amountNanoUsd: null });
  }

  /** Metering's totals include the call: nothing is left to write. */
  forget(requestId: string): void {
    this.waiting.delete(requestId);
  }

  /** One last attempt at everything, then no more. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.retry();
  }

  private write(requestId: string, write: Write): Promise<void> {
    return this.send(requestId, write).then(undefined, () => {
      this.waiting.set(requestId, write);
    });
  }

  /** Rejects when Redis did not take it. */
  private send(requestId: string, { accountTag, amountNanoUsd, tokens }: Write): Promise<unknown> {
    if (amountNanoUsd === null) return this.admission.release(accountTag, requestId);
    const settled =
      tokens === undefined
        ? this.admission.settle(accountTag, requestId, amountNanoUsd)
        : this.admission.settleWithTokens(accountTag, requestId, { amountNanoUsd, tokens });
    return settled.then(({ outcome }) => {
      if (outcome === 'missing') this.onMissing(accountTag, requestId);
    });
  }

  private attempt(requestId: string, write: Write): Promise<boolean> {
    return this.send(requestId, write).then(
      () => true,
      () => false,
    );
  }

  private async retry(): Promise<void> {
    if (this.isRetrying || this.waiting.size === 0) return;
    this.isRetrying = true;
    try {
      const batch = [...this.waiting].slice(0, RETRY_BATCH_MAX);
      for (const [requestId, write] of batch) {
        if (!(await this.attempt(requestId, write))) return;
        if (this.waiting.get(requestId) === write) this.waiting.delete(requestId);
      }
    } finally {
      this.isRetrying = false;
    }
  }
}
