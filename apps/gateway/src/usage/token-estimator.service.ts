import { Worker } from 'node:worker_threads';
import type { CountJob, CountResult } from './token-counter.worker.js';

export type { TextPart } from './token-counter.worker.js';

/** Counts in progress; above it, or when the worker is gone, bytes are divided instead. */
export const JOBS_MAX = 256;
export const JOB_TIMEOUT_MS = 5_000;
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
  resolve: (tokens: number) => void;
  fallback: number;
  timer: NodeJS.Timeout;
}

/**
 * Counts tokens off the event loop, for upstreams that report no usage. The worker starts with the first job: its tables take
 * tens of megabytes that most gateways never need.
 */
export class TokenEstimator {
  private worker: Worker | null = null;
  private lastId = 0;
  private readonly waiting = new Map<number, Waiting>();

  /** Always resolves: with the worker's count, or with a division of bytes when it cannot be had in time. */
  count(kind: CountJob['kind'], bytes: Buffer): Promise<number> {
    if (TEXTLESS.has(kind)) return Promise.resolve(0);
    const fallback = tokensFromBytes(bytes.length);
    if (this.waiting.size >= JOBS_MAX) return Promise.resolve(fallback);
    return new Promise((resolve) => {
      const id = ++this.lastId;
      const timer = setTimeout(() => this.settle(id, fallback), JOB_TIMEOUT_MS);
      this.waiting.set(id, { resolve, fallback, timer });
      this.running().postMessage({ id, kind, bytes } satisfies CountJob);
    });
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
    worker.on('message', (result: CountResult) => this.settle(result.id, result.tokens));
    worker.on('error', () => this.giveUp());
    worker.on('exit', () => this.giveUp());
    this.worker = worker;
    return worker;
  }

  private settle(id: number, tokens: number): void {
    const job = this.waiting.get(id);
    if (job === undefined) return;
    this.waiting.delete(id);
    clearTimeout(job.timer);
    job.resolve(tokens);
  }

  private giveUp(): void {
    this.worker = null;
    for (const [id, job] of this.waiting) this.settle(id, job.fallback);
  }
}
