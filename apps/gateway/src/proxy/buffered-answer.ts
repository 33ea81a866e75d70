import type { IncomingHttpHeaders } from 'node:http';
import { formatUsd } from '@tensorloop/kernel/money';
import type { ApiError } from '../errors/api-error.types.js';
import type { RawUsage } from '../usage/answer-reading.types.js';
import { countedUsage } from '../usage/usage-reading.service.js';
import { Answer } from './answer.js';
import type { CountedUsage } from './answer.types.js';
import type { ExitSignal } from './call-exit.js';
import { failureError, flawOf } from './upstream-errors.js';

/** A whole answer is never longer; an upstream that sends more is treated as broken. */
export const ANSWER_BYTES_MAX = 32 * 1024 * 1024;

/**
 * An answer up to this size is sent as text, one character a byte: only then does Node write head and body in one piece. With its head it stays within
 * the 16 kB into which Node encodes a text without allocating.
 */
export const TEXT_BYTES_MAX = 12 * 1024;

const NO_BODY = Buffer.alloc(0);

/** Collects a whole answer, so that the client gets it once its cost is durable. */
export class BufferedAnswer extends Answer {
  private chunks: Buffer[] = [];
  private bytes = 0;
  private body: Buffer = NO_BODY;
  private usage: RawUsage | null = null;
  private contentType = 'application/json';

  protected onAnswerHead(headers: IncomingHttpHeaders): void {
    this.contentType = headers['content-type'] ?? this.contentType;
  }

  protected onAnswerData(chunk: Buffer): void {
    this.bytes += chunk.length;
    this.chunks.push(chunk);
    if (this.bytes > this.bytesMax) this.breakOff();
  }

  protected onAnswerEnd(): void {
    this.body = this.chunks.length === 1 ? (this.chunks[0] as Buffer) : Buffer.concat(this.chunks);
    const answer = this.call.options.reading.readWhole(this.body, this.contentType);
    if (answer === null) {
      this.flaw = 'broken';
      return this.breakOff();
    }
    if (answer.isFailure === true) return this.failAsReported(this.body);
    if (answer.failed !== undefined) this.flaw = flawOf(answer.failed);
    this.usage = answer.usage;
    if (!this.call.exit.isClientGone) this.call.noteFirstByte();
    void this.exitWith('answer_complete', null);
  }

  protected onTick(): void {}

  protected release(): void {
    this.chunks = [];
    this.body = NO_BODY;
  }

  protected async countUsage(signal: ExitSignal): Promise<CountedUsage> {
    const reported = this.readUsage(this.usage);
    if (reported !== null) return { usage: reported, estimated: false };
    if (signal !== 'answer_complete') return { usage: {}, estimated: true };
    const { reading } = this.call.options;
    const [input, output] = await Promise.all([
      this.countTexts('prompt', this.call.options.body),
      this.countTexts('answer', this.body),
    ]);
    const units = reading.countUnits?.({ body: this.body, usage: this.usage });
    return { usage: { ...countedUsage(input, output), ...units }, estimated: true };
  }

  protected sendEnd(error: ApiError | null): void {
    if (error !== null) return this.sendError(error);
    const { res, headers } = this.call.options;
    const head = [...headers, 'x-tensorloop-cost-usd', formatUsd(this.chargedNanoUsd)];
    head.push('content-type', this.contentType, 'content-length', String(this.body.length));
    res.writeHead(200, head);
    if (this.body.length <= TEXT_BYTES_MAX) res.end(this.body.toString('latin1'), 'latin1');
    else res.end(this.body);
  }

  protected clientStatus(error: ApiError | null): number {
    return error?.status ?? 200;
  }

  /** Kept whole anyway: an answer is not given away for its length because the client left. */
  protected override get drainBytesMax(): number {
    return this.bytesMax;
  }

  private get bytesMax(): number {
    return this.call.options.reading.answerBytesMax ?? ANSWER_BYTES_MAX;
  }

  private breakOff(): void {
    this.chunks = [];
    this.call.endAttempt(this.status, 'protocol');
    void this.exitWith('upstream_cut', failureError('protocol'));
  }
}
