import type { IncomingHttpHeaders } from 'node:http';
import { failPoint } from '@tensorloop/nest-kit/fail-points';
import type { ApiError } from '../errors/api-error.types.js';
import type { HeaderList } from '../errors/header-list.types.js';
import type { ScannedChunk } from '../usage/answer-reading.types.js';
import { countedUsage, readJson, reportsError } from '../usage/usage-reading.service.js';
import { Answer, CLIENT_STALL_MS } from './answer.js';
import type { CountedUsage } from './answer.types.js';
import type { ExitSignal } from './call-exit.js';
import { KeptStream } from './kept-stream.js';
import { ERROR_BODY_BYTES_MAX, failureError, reportedFlaw } from './upstream-errors.js';

/** A comment line is sent after this long without a byte: proxies in between close idle connections (spec TL-16). */
export const HEARTBEAT_MS = 10_000;
/** A progress record is written this often, or after this many tokens. */
export const PROGRESS_MS = 2_000;
export const PROGRESS_EVENTS = 512;

const NO_BYTES = Buffer.alloc(0);
const HEARTBEAT = Buffer.from(': keep-alive\n\n');
const STREAM_HEADERS: Readonly<HeaderList> = [
  'content-type',
  'text/event-stream; charset=utf-8',
  'cache-control',
  'no-cache',
  'x-accel-buffering',
  'no',
];

/** Passes a stream of events through as it comes, and reads the usage off it on the way. */
export class StreamAnswer extends Answer {
  readonly isPassedOn = true;
  private readonly scanner = this.call.options.reading.newScanner();
  private readonly kept = new KeptStream(this.context.keptBlocks);
  private isHeadSent = false;
  /** JSON where a stream was asked for: an error, mostly, whatever the status says. */
  private noStream: Buffer[] | null = null;
  private noStreamBytes = 0;
  private ending: Buffer | null = null;
  private lastWriteAtMs = performance.now();
  private stalledSinceMs: number | null = null;
  private progressAtMs = 0;
  private progressEvents = 0;
  private promptTokens: number | null = null;
  private isCountingPrompt = false;

  protected onAnswerHead(headers: IncomingHttpHeaders): void {
    if (String(headers['content-type'] ?? '').includes('json')) {
      this.noStream = [];
      return;
    }
    if (this.call.isDurable) return;
    this.flow?.pause();
    void this.call.options.durable.then(() => this.flow?.resume());
  }

  protected onAnswerData(chunk: Buffer): void {
    if (this.noStream !== null) return this.keepNoStream(chunk, this.noStream);
    this.kept.push(chunk);
    this.pass(this.scanner.push(chunk));
  }

  protected onAnswerEnd(): void {
    if (this.noStream !== null) return this.failWithoutStream(Buffer.concat(this.noStream));
    const rest = this.scanner.finish();
    if (rest.isError) this.flaw = 'broken';
    this.pass(rest);
    void this.exitWith('answer_complete', null);
  }

  protected onTick(nowMs: number): void {
    const { isClientGone } = this.call.exit;
    if (!isClientGone && this.stalledSinceMs !== null && nowMs - this.stalledSinceMs > CLIENT_STALL_MS)
      this.call.options.res.destroy();
    else if (!isClientGone && this.call.isDurable && this.stalledSinceMs === null && nowMs - this.lastWriteAtMs >= HEARTBEAT_MS)
      this.write(this.call.options.reading.heartbeat ?? HEARTBEAT);
    if (this.call.firstByteMs !== null && nowMs - this.progressAtMs >= PROGRESS_MS) this.noteProgress(nowMs);
  }

  protected async countUsage(signal: ExitSignal): Promise<CountedUsage> {
    const reported = this.readUsage(this.scanner.usage);
    if (reported !== null && signal === 'answer_complete') return { usage: reported, estimated: false };
    if (this.status === null || this.noStream !== null) return { usage: {}, estimated: true };
    if (signal === 'gateway_ending') return { usage: this.counted(), estimated: true };
    const streamed = this.kept.bytes();
    const [input, output] = await Promise.all([
      this.countTexts('prompt', this.call.options.body),
      streamed === null ? this.scanner.events : this.countTexts('stream', streamed, this.scanner.events),
    ]);
    return { usage: countedUsage(input, output), estimated: true };
  }

  protected release(): void {
    this.kept.release();
  }

  protected sendEnd(error: ApiError | null): void {
    if (error !== null && !this.isHeadSent) return this.sendError(error);
    const { res, skin } = this.call.options;
    this.sendHead();
    if (error !== null) res.end(skin.event(error, this.call.requestId));
    else if (this.ending !== null) res.end(this.ending);
    else res.end();
  }

  protected clientStatus(error: ApiError | null): number {
    return error === null || this.isHeadSent ? 200 : error.status;
  }

  private keepNoStream(chunk: Buffer, kept: Buffer[]): void {
    this.noStreamBytes += chunk.length;
    if (this.noStreamBytes > ERROR_BODY_BYTES_MAX) this.failWithoutStream(NO_BYTES);
    else kept.push(chunk);
  }

  private failWithoutStream(body: Buffer): void {
    const answer = readJson(body);
    if (answer !== null && reportsError(answer)) return this.failAsReported(body);
    this.flaw = 'unclear';
    this.call.endAttempt(this.status, 'protocol');
    void this.exitWith('upstream_failed', failureError('protocol'));
  }

  private pass(scanned: ScannedChunk): void {
    if (scanned.bytes.length > 0) {
      this.write(scanned.bytes);
      this.noteFirstByte();
      failPoint('gateway.mid_stream');
    }
    if (scanned.isError) {
      if (scanned.error !== undefined) this.flaw = reportedFlaw(scanned.error);
      this.call.endAttempt(this.status, 'cut');
      void this.exitWith('upstream_cut', failureError('cut'));
    } else if (scanned.ending !== null) {
      // What the upstream does after this event is of no interest; the client need not wait for it.
      this.ending = scanned.ending;
      void this.exitWith('answer_complete', null);
    }
  }

  private write(bytes: Buffer): void {
    const { res } = this.call.options;
    if (this.call.exit.isClientGone || res.destroyed) return;
    this.sendHead();
    this.lastWriteAtMs = performance.now();
    if (res.write(bytes) || this.stalledSinceMs !== null) return;
    this.stalledSinceMs = this.lastWriteAtMs;
    this.flow?.pause();
    res.once('drain', () => {
      this.stalledSinceMs = null;
      this.flow?.resume();
    });
  }

  private sendHead(): void {
    if (this.isHeadSent) return;
    this.isHeadSent = true;
    this.call.options.res.writeHead(200, [...this.call.options.headers, ...STREAM_HEADERS]);
  }

  private noteFirstByte(): void {
    if (this.call.firstByteMs === null) {
      this.call.noteFirstByte();
      this.noteProgress(performance.now());
    } else if (this.scanner.events - this.progressEvents >= PROGRESS_EVENTS) this.noteProgress(performance.now());
  }

  private noteProgress(nowMs: number): void {
    // The first record makes do without the prompt: short streams, which are most, then cost no tokenizer at all.
    if (this.progressAtMs !== 0) this.countPrompt();
    this.progressAtMs = nowMs;
    this.progressEvents = this.scanner.events;
    this.context.journal.progress(this.call.requestId, this.counted());
  }

  private countPrompt(): void {
    if (this.isCountingPrompt) return;
    this.isCountingPrompt = true;
    void this.countTexts('prompt', this.call.options.body).then((tokens) => {
      this.promptTokens = tokens;
    });
  }

  /** A prompt that was not counted yet costs nothing: a body's bytes bound no text from below, with pictures and metadata in it. */
  private counted() {
    return countedUsage(this.promptTokens ?? 0, this.scanner.events);
  }
}
