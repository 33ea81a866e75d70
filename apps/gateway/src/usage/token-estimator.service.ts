import { Worker } from 'node:worker_threads';
import type { PlainTextCount } from './plain-texts.js';
import type { CountJob, CountResult, ExactJob } from './token-counter.worker.js';

export type { PlainTextCount } from './plain-texts.js';
export type { TextPart } from './token-counter.worker.js';

/** Counts in progress, and the texts in them; above that, or when the worker is gone, bytes are divided instead. */
export const JOBS_MAX = 256;
export const JOBS_BYTES_MAX = 64 * 1024 * 1024;
export const JOB_TIMEOUT_MS = 5_000;
/** A worker that is at one job for longer, or has not started by then, is given up for another. Several times what the largest takes. */
export const STUCK_MS = 60_000;
/**
 * Exact counts keep a refused call waiting, and others behind them: few, small and quick (some 75 ms at most), or there is none.
 * Only those asked for while the worker starts may wait as long as other jobs do, or the first call near a limit would be refused.
 */
export const EXACT_JOBS_MAX = 16;
export const EXACT_BYTES_MAX = 48 * 1024;
export const EXACT_TIMEOUT_MS = 1_000;
/** English text has about four bytes a token; dividing by more keeps estimates on the low side. */
const BYTES_PER_TOKEN = 5;

export function tokensFromBytes(bytes: number): number {
  return Math.floor(bytes / BYTES_PER_TOKEN);
}

/** Without text, or with none that is charged by the token. */
const TEXTLESS = new Set<CountJob['kind']>([
  'embeddings.answer',
  'images.answer',
  'moderations.answer',
  'rerank.answer',
  'speech.answer',
  'speech.prompt',
  'transcriptions.prompt',
]);

/** A job that the worker has not answered, whether or not anybody still waits for it. */
interface OpenJob {
  resolve: (result: CountResult | null) => void;
  timer: NodeJS.Timeout;
  /** Copied for the worker. */
  byteLength: number;
  /** Whose exact count it is. */
  accountId: string | null;
}

/**
 * Counts tokens off the event loop, for upstreams that report no usage. The worker starts with the first job: a thread and its tables
 * take some thirty megabytes that many gateways never need.
 */
export class TokenEstimator {
  private worker: Worker | null = null;
  /** Whether the worker has answered once: until then it reads its tables, which takes a busy machine more than a second. */
  private isWarm = false;
  private lastId = 0;
  /** What timed out stays here, since it is still ahead of others in the worker's queue. */
  private readonly jobs = new Map<number, OpenJob>();
  private jobsBytes = 0;
  /** When the worker got to the first of them. */
  private firstSinceMs = 0;
  /** An account's next exact count waits for no other of its own: none is made meanwhile. */
  private readonly exactAccounts = new Set<string>();

  /**
   * Always resolves: with the worker's count, or when it cannot be had in time with what the caller knows instead. That has to be
   * given for a stream, in which a token takes hundreds of bytes; elsewhere the bytes are divided.
   */
  async count(kind: CountJob['kind'], bytes: Buffer, otherwise = tokensFromBytes(bytes.length)): Promise<number> {
    if (TEXTLESS.has(kind)) return 0;
    if (this.isStuck) this.replaceWorker();
    const hasRoom = this.jobs.size < JOBS_MAX && this.jobsBytes + bytes.length <= JOBS_BYTES_MAX;
    const result = hasRoom ? await this.ask({ kind, bytes }, JOB_TIMEOUT_MS, null) : null;
    return result?.tokens ?? otherwise;
  }

  /** The plain texts of a chat body, counted by o200k_base; null when that cannot be had at once, and never a guess. */
  async countExactly(bytes: Buffer, accountId: string): Promise<PlainTextCount | null> {
    if (bytes.length > EXACT_BYTES_MAX) return null;
    if (this.isStuck) this.replaceWorker();
    if (this.exactAccounts.size >= EXACT_JOBS_MAX || this.exactAccounts.has(accountId)) return null;
    this.exactAccounts.add(accountId);
    const timeoutMs = this.isWarm ? EXACT_TIMEOUT_MS : JOB_TIMEOUT_MS;
    const result = await this.ask({ kind: 'chat.exact', bytes }, timeoutMs, accountId);
    return result?.textBytes === undefined ? null : { tokens: result.tokens, textBytes: result.textBytes };
  }

  async close(): Promise<void> {
    const { worker } = this;
    await worker?.terminate();
    this.giveUp(worker);
  }

  private running(): Worker {
    if (this.worker !== null) return this.worker;
    // Tests run from the sources, which Node reads as they are; the built file has another ending.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./token-counter.worker.${extension}`, import.meta.url));
    worker.unref();
    worker.on('message', (result: CountResult) => {
      // Not by the last words of the worker before it.
      if (this.worker === worker) this.isWarm = true;
      this.settle(result.id, result);
    });
    worker.on('error', () => this.giveUp(worker));
    worker.on('exit', () => this.giveUp(worker));
    this.worker = worker;
    return worker;
  }

  private ask(
    job: Omit<CountJob, 'id'> | Omit<ExactJob, 'id'>,
    timeoutMs: number,
    accountId: string | null,
  ): Promise<CountResult | null> {
    return new Promise((resolve) => {
      const id = ++this.lastId;
      const timer = setTimeout(() => resolve(null), timeoutMs);
      if (this.jobs.size === 0) this.firstSinceMs = performance.now();
      const { byteLength } = job.bytes;
      this.jobs.set(id, { resolve, timer, byteLength, accountId });
      this.jobsBytes += byteLength;
      try {
        this.running().postMessage({ ...job, id });
      } catch {
        // No thread, or no memory for another: whoever asked makes do without.
        this.settle(id, null);
      }
    });
  }

  private get isStuck(): boolean {
    return this.jobs.size > 0 && performance.now() - this.firstSinceMs > STUCK_MS;
  }

  private replaceWorker(): void {
    const { worker } = this;
    this.giveUp(worker);
    void worker?.terminate();
  }

  private settle(id: number, result: CountResult | null): void {
    const job = this.jobs.get(id);
    if (job === undefined) return;
    this.jobs.delete(id);
    this.jobsBytes -= job.byteLength;
    this.firstSinceMs = performance.now();
    if (job.accountId !== null) this.exactAccounts.delete(job.accountId);
    clearTimeout(job.timer);
    job.resolve(result);
  }

  /** A worker that broke down both errs and exits; the second of the two is no news of the one after it. */
  private giveUp(worker: Worker | null): void {
    if (this.worker !== worker) return;
    this.worker = null;
    this.isWarm = false;
    for (const id of this.jobs.keys()) this.settle(id, null);
  }
}
