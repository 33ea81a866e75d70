import type { IncomingHttpHeaders } from 'node:http';
import type { Outcome } from '@tensorloop/contracts/request-completed';
import type { Usage } from '@tensorloop/contracts/usage';
import { formatUsd, type NanoUsd } from '@tensorloop/kernel/money';
import { type ApiError, unavailable } from '../errors/api-error.types.js';
import { headersOf } from '../errors/header-list.types.js';
import { sendError } from '../errors/send-error.service.js';
import type { Flaw, RoutedAnswer } from '../routing/routing.types.js';
import type { UpstreamFailure, UpstreamFlow } from '../upstreams/upstream.types.js';
import type { RawUsage } from '../usage/answer-reading.types.js';
import type { TextPart } from '../usage/token-estimator.service.js';
import { readUsage } from '../usage/usage-reading.service.js';
import type { AnswerContext, CountedUsage } from './answer.types.js';
import { type ExitSignal, isFree } from './call-exit.js';
import type { CallServer, OpenCall } from './open-call.js';
import type { Ticking } from './ticker.service.js';
import { ERROR_BODY_BYTES_MAX, failureError, reportedError, upstreamError } from './upstream-errors.js';

/** After its client left, an answer is read on for this long and this far at most. */
export const DRAIN_MS_MAX = 120_000;
export const DRAIN_BYTES_MAX = 16 * 1024 * 1024;
/** What a provider sends behind the end of its answer is read so far, and for so long, that its connection may be used again. */
export const REST_BYTES_MAX = 64 * 1024;
export const REST_MS_MAX = 10_000;
/** A client that takes no byte for this long is treated as gone. */
export const CLIENT_STALL_MS = 120_000;
/** Last bytes of an ended answer that leave on their own: a shutdown gives them a moment (LAST_BYTES_MS) and no more. */
const LAST_BYTES_MAX = 16 * 1024;
const SHUTDOWN_RETRY_SECONDS = 1;
const NO_HEADERS: IncomingHttpHeaders = {};

/**
 * Takes an upstream's answer to the client. Whatever happens, `exitWith` is passed once: it counts, prices, journals, and only
 * then lets the last byte go out.
 */
export abstract class Answer implements RoutedAnswer, CallServer, Ticking {
  protected flow: UpstreamFlow | null = null;
  protected status: number | null = null;
  private upstreamHeaders: IncomingHttpHeaders = NO_HEADERS;
  private errorBody: Buffer[] | null = null;
  private errorBytes = 0;
  private clientLeftAtMs: number | null = null;
  private drainedBytes = 0;
  private isUpstreamOver = false;
  private endedAtMs = 0;
  private restBytes = 0;
  flaw: Flaw | null = null;
  /** The ticker's. */
  rosterIndex = -1;

  constructor(
    protected readonly call: OpenCall,
    protected readonly context: AnswerContext,
  ) {
    call.servedBy = this;
    const { res } = call.options;
    // `close` of the response: that of the request fires as soon as the body has been read.
    res.on('close', () => {
      if (!res.writableFinished) this.clientLeft();
    });
    context.ticker.add(this);
    // A client that left during admission has closed already, and says so only once.
    if (res.closed) this.clientLeft();
  }

  onStart(flow: UpstreamFlow): void {
    // The call ended while this request waited for a connection: it is not to be answered, nor paid for.
    if (this.call.exit.outcome === null) this.flow = flow;
    else flow.abort();
  }

  onHead(status: number, headers: IncomingHttpHeaders): void {
    this.status = status;
    this.upstreamHeaders = headers;
    if (this.isRefused || this.call.exit.outcome !== null) return;
    this.onAnswerHead(headers);
  }

  onData(chunk: Buffer): void {
    if (this.call.exit.outcome !== null) return this.passOver(chunk);
    if (this.isRefused) return this.keepErrorBody(chunk);
    if (this.clientLeftAtMs !== null && this.isDrainedOver(chunk)) return;
    this.onAnswerData(chunk);
  }

  onEnd(): void {
    this.upstreamIsOver();
    // Says itself how the attempt went where it did not go well.
    if (this.call.exit.outcome === null && !this.isRefused) this.onAnswerEnd();
    this.call.endAttempt(this.status, null);
    if (this.call.exit.outcome === null && this.isRefused) {
      const error = upstreamError(this.status as number, this.upstreamHeaders, Buffer.concat(this.errorBody ?? []));
      void this.exitWith('upstream_failed', error);
    }
  }

  onFailure(failure: UpstreamFailure): void {
    this.call.endAttempt(this.status, failure);
    this.upstreamIsOver();
    if (this.call.exit.outcome !== null) return;
    // A refusal whose body broke off is still a refusal; an answer that did is a cut.
    if (this.isRefused)
      void this.exitWith('upstream_failed', upstreamError(this.status as number, this.upstreamHeaders, Buffer.alloc(0)));
    else void this.exitWith(this.status === null ? 'upstream_failed' : 'upstream_cut', failureError(failure));
  }

  endNow(
    error: ApiError = unavailable('shutting_down', 'The gateway is shutting down.', SHUTDOWN_RETRY_SECONDS),
  ): Promise<void> {
    return this.exitWith('gateway_ending', error);
  }

  /** No deployment could be asked. */
  refuse(error: ApiError): void {
    void this.exitWith('upstream_failed', error);
  }

  tick(nowMs: number): void {
    if (this.call.exit.outcome !== null) this.tickBehindAnswer(nowMs);
    else if (this.clientLeftAtMs !== null && nowMs - this.clientLeftAtMs > DRAIN_MS_MAX) this.capDrain();
    else this.onTick(nowMs);
  }

  protected abstract onAnswerHead(headers: IncomingHttpHeaders): void;
  protected abstract onAnswerData(chunk: Buffer): void;
  protected abstract onAnswerEnd(): void;
  protected abstract onTick(nowMs: number): void;
  /** Usage as the upstream reported it, or counted in its place. */
  protected abstract countUsage(signal: ExitSignal): CountedUsage | Promise<CountedUsage>;
  /** Lets go of what was kept for counting. */
  protected abstract release(): void;
  /** Sends what ends the answer; the call is durable. */
  protected abstract sendEnd(error: ApiError | null): void;
  /** The status the client has, or would have, been answered with. */
  protected abstract clientStatus(error: ApiError | null): number;

  /** What the call costs; 0 until it is settled. */
  protected chargedNanoUsd: NanoUsd = 0n;

  /** The one way out of a call. */
  protected async exitWith(signal: ExitSignal, error: ApiError | null): Promise<void> {
    const outcome = this.call.exit.signal(signal);
    if (outcome === null) return;
    const httpStatus = this.clientStatus(error);
    this.endedAtMs = performance.now();
    // Before anything is waited for: what the provider does behind its answer is no part of it.
    if (signal === 'answer_complete') this.call.endAttempt(this.status, null);
    // Where it is still at it, somebody has to look after the connection.
    if (signal !== 'answer_complete' || this.isUpstreamOver) this.context.ticker.delete(this);
    try {
      await this.settle(outcome, { signal, httpStatus });
      if (!this.call.options.res.destroyed) this.sendEnd(error);
    } catch (failure) {
      // A defect of ours. The journal still holds the call as accepted, so the next start settles it; the client must not hang.
      this.context.onDefect(failure, this.call.requestId);
      this.flow?.abort();
      this.call.options.res.destroy();
    } finally {
      this.leave();
      this.release();
      this.call.options.trace.span.end();
    }
  }

  /** What is left of a long answer takes a while to go, and a shutdown waits for it as for the call. */
  private leave(): void {
    const { res } = this.call.options;
    this.call.dropRequest();
    this.upstreamHeaders = NO_HEADERS;
    const leave = () => this.context.openCalls.delete(this.call);
    if (res.destroyed || res.writableLength === 0) return leave();
    // The call has ended: nobody else looks after a client that takes none of it.
    res.setTimeout(CLIENT_STALL_MS);
    if (res.writableLength <= LAST_BYTES_MAX) leave();
    else res.once('close', leave);
  }

  private async settle(outcome: Outcome, exit: { signal: ExitSignal; httpStatus: number }): Promise<void> {
    const counted = isFree(outcome) ? { usage: {}, estimated: false } : await this.countUsage(exit.signal);
    if (!this.isUpstreamOver) this.leaveUpstream(exit.signal);
    this.call.endAttempt(this.status, null);
    const { accepted, trace } = this.call.options;
    trace.span.set('tensorloop.outcome', outcome);
    const latencyMs = this.call.elapsedMs();
    const ending = {
      outcome,
      ...counted,
      httpStatus: exit.httpStatus,
      // By the clock that stamped the admission: this machine's may differ, and a call would end before it began.
      completedAtMs: accepted.admittedAtMs + Math.round(latencyMs),
      latencyMs,
      firstByteMs: this.call.firstByteMs,
      attempts: this.call.attempts,
    };
    const event = await this.context.settler.finish(accepted, ending, trace.span.traceparent);
    this.chargedNanoUsd = BigInt(event.chargeNanoUsd);
  }

  /** Behind a whole answer the connection is read to its end, also where a slow client had it paused: else it would never be free. */
  private leaveUpstream(signal: ExitSignal): void {
    if (signal === 'answer_complete') this.flow?.resume();
    else this.flow?.abort();
  }

  /** The upstream's usage in priced dimensions, or null when it sent none that makes sense. */
  protected readUsage(raw: RawUsage | null): Usage | null {
    const { reading, accepted } = this.call.options;
    return readUsage(reading, raw, accepted.price);
  }

  protected countTexts(part: TextPart, bytes: Buffer, otherwise?: number): Promise<number> {
    return this.context.estimator.count(`${this.call.options.reading.textFormat}.${part}`, bytes, otherwise);
  }

  /** An error as the whole answer. The call is settled by now, so what it cost is known: mostly nothing. */
  protected sendError(error: ApiError): void {
    const { res, headers, skin } = this.call.options;
    const own = { ...headersOf(headers), 'x-tensorloop-cost-usd': formatUsd(this.chargedNanoUsd) };
    sendError(res, { ...error, body: skin.body(error, this.call.requestId) }, own);
  }

  /** Ends the call with the error that the provider reported under a good status, without its secrets. */
  protected failAsReported(body: Buffer): void {
    const text = body.length > ERROR_BODY_BYTES_MAX ? '' : body.toString('utf8');
    const { flaw, error } = reportedError(Buffer.from(this.context.credentials.scrub(text, this.call.credential)));
    this.flaw = flaw;
    this.call.endAttempt(this.status, 'protocol');
    void this.exitWith('upstream_failed', error);
  }

  protected get drainBytesMax(): number {
    return DRAIN_BYTES_MAX;
  }

  private get isRefused(): boolean {
    return this.status !== null && (this.status < 200 || this.status > 299);
  }

  private clientLeft(): void {
    if (this.call.exit.outcome !== null || this.clientLeftAtMs !== null) return;
    this.call.exit.clientLeft();
    this.clientLeftAtMs = performance.now();
    if (this.call.isDurable) this.flow?.resume();
  }

  private isDrainedOver(chunk: Buffer): boolean {
    this.drainedBytes += chunk.length;
    if (this.drainedBytes <= this.drainBytesMax) return false;
    this.capDrain();
    return true;
  }

  /** A refusal is one, whether its body came whole or not: it costs nothing. */
  private capDrain(): void {
    if (!this.isRefused) void this.exitWith('drain_capped', null);
    else void this.exitWith('upstream_failed', upstreamError(this.status as number, this.upstreamHeaders, Buffer.alloc(0)));
  }

  private passOver(chunk: Buffer): void {
    this.restBytes += chunk.length;
    if (this.restBytes > REST_BYTES_MAX) this.flow?.abort();
  }

  private tickBehindAnswer(nowMs: number): void {
    if (nowMs - this.endedAtMs <= REST_MS_MAX) return;
    this.context.ticker.delete(this);
    this.flow?.abort();
  }

  private upstreamIsOver(): void {
    this.isUpstreamOver = true;
    if (this.call.exit.outcome !== null) this.context.ticker.delete(this);
  }

  private keepErrorBody(chunk: Buffer): void {
    this.errorBytes += chunk.length;
    if (this.errorBytes > ERROR_BODY_BYTES_MAX) return;
    this.errorBody ??= [];
    this.errorBody.push(chunk);
  }
}
