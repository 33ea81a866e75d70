import { Worker } from 'node:worker_threads';
import type { PlainTextCount } from './plain-texts.js';
import type { CountJob, CountResult, ExactJob } from './token-counter.worker.js';

export type { PlainTextCount } from './plain-texts.js';
export type { TextPart } from './token-counter.worker.js';

/** Counts in progress; above it, or when the worker is gone, bytes are divided instead. */
export const JOBS_MAX = 256;
export const JOB_TIMEOUT_MS = 5_000;
/** Exact counts keep a refused call waiting, so they are few, small and quick, or there is none. */
export const EXACT_JOBS_MAX = 16;
export const EXACT_BYTES_MAX = 256 * 1024;
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

interface Waiting {
  resolve: (result: CountResult | null) => void;
  timer: NodeJS.Timeout;
}

/**
 * Counts tokens off the event loop, for upstreams that report no usage. The worker starts with the first job: its tables take
 * tens of megabytes that most gateways never need.
 */
export class TokenEstimator {
  private worker: Worker | null = null;
  private lastId = 0;
  private exactJobs = 0;
  private readonly waiting = new Map<number, Waiting>();

  /** Always resolves: with the worker's count, or with a division of bytes when it cannot be had in time. */
  async count(kind: CountJob['kind'], bytes: Buffer): Promise<number> {
    if (TEXTLESS.has(kind)) return 0;
    const result = this.waiting.size >= JOBS_MAX ? null : await this.ask({ kind, bytes }, JOB_TIMEOUT_MS);
    return result?.tokens ?? tokensFromBytes(bytes.length);
  }

  /** The plain texts of a chat body, counted by o200k_base; null when that cannot be had at once, and never a guess. */
  async countExactly(bytes: Buffer): Promise<PlainTextCount | null> {
    if (bytes.length > EXACT_BYTES_MAX || this.exactJobs >= EXACT_JOBS_MAX) return null;
    this.exactJobs += 1;
    try {
      const result = await this.ask({ kind: 'chat.exact', bytes }, EXACT_TIMEOUT_MS);
      return result?.textBytes === undefined ? null : { tokens: result.tokens, textBytes: result.textBytes };
    } finally {
      this.exactJobs -= 1;
    }
  }

  async close(): Promise<void> {
    await this.worker?.terminate();
    this.giveUp();
  }

  private running(): Worker {
    if (this.worker !== null) return this.worker;
    // Tests run from the sources, which Node reads as they are; the built file has another ending.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./token-counter.worker.${extension}`, import.meta.url));
    worker.unref();
    worker.on('message', (result: CountResult) => this.settle(result.id, result));
    worker.on('error', () => this.giveUp());
    worker.on('exit', () => this.giveUp());
    this.worker = worker;
    return worker;
  }

  private ask(job: Omit<CountJob, 'id'> | Omit<ExactJob, 'id'>, timeoutMs: number): Promise<CountResult | null> {
    return new Promise((resolve) => {
      const id = ++this.lastId;
      const timer = setTimeout(() => this.settle(id, null), timeoutMs);
      this.waiting.set(id, { resolve, timer });
      this.running().postMessage({ ...job, id });
    });
  }

  private settle(id: number, result: CountResult | null): void {
    const job = this.waiting.get(id);
    if (job === undefined) return;
    this.waiting.delete(id);
    clearTimeout(job.timer);
    job.resolve(result);
  }

  private giveUp(): void {
    this.worker = null;
    for (const id of this.waiting.keys()) this.settle(id, null);
  }
}
