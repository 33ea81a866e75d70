import type { IncomingHttpHeaders } from 'node:http';
import type { RoutedAnswer } from '../routing/routing.types.js';
import type { UpstreamFlow } from '../upstreams/upstream.types.js';

/** A count is a few bytes and a refusal a few hundred; a longer answer is no answer. */
const ANSWER_BYTES_MAX = 64 * 1024;

/** A whole small answer of an upstream. */
export interface SmallAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Collects one small answer; null when none came whole. */
export class SmallAnswerReader implements RoutedAnswer {
  readonly answer: Promise<SmallAnswer | null>;
  private settle: (answer: SmallAnswer | null) => void = () => undefined;
  private head: Pick<SmallAnswer, 'status' | 'headers'> | null = null;
  private flow: UpstreamFlow | null = null;
  private readonly chunks: Buffer[] = [];
  private bytes = 0;
  private isGivenUp = false;

  constructor() {
    this.answer = new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  /** Nobody wants the answer any more. */
  giveUp(): void {
    this.isGivenUp = true;
    this.settle(null);
    this.flow?.abort();
  }

  onStart(flow: UpstreamFlow): void {
    this.flow = flow;
    if (this.isGivenUp) flow.abort();
  }

  onHead(status: number, headers: IncomingHttpHeaders): void {
    this.head = { status, headers };
  }

  onData(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.bytes > ANSWER_BYTES_MAX) this.giveUp();
    else this.chunks.push(chunk);
  }

  onEnd(): void {
    this.settle(this.head === null ? null : { ...this.head, body: Buffer.concat(this.chunks) });
  }

  onFailure(): void {
    this.settle(null);
  }

  /** Every circuit is open, or every place taken. */
  refuse(): void {
    this.settle(null);
  }

  get wasGivenUp(): boolean {
    return this.isGivenUp;
  }
}
