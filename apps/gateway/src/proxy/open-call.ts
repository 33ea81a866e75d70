import type { ServerResponse } from 'node:http';
import type { Deployment } from '@tensorloop/contracts/model-catalogue';
import { ATTEMPTS_MAX, type Attempt } from '@tensorloop/contracts/request-completed';
import type { RosterMember } from '@tensorloop/kernel/roster';
import { failPoint } from '@tensorloop/nest-kit/fail-points';
import type { TraceSpan, Tracing } from '@tensorloop/observability/tracing';
import type { ApiError } from '../errors/api-error.types.js';
import type { ErrorSkin } from '../errors/error-skin.types.js';
import type { HeaderList } from '../errors/header-list.types.js';
import type { AcceptedRecord } from '../journal/journal.types.js';
import type { UpstreamFailure } from '../upstreams/upstream.types.js';
import type { AnswerReading } from '../usage/answer-reading.types.js';
import { CallExit } from './call-exit.js';
import type { InferenceRequest } from './endpoint.types.js';
import type { BodyLease } from './request-bodies.js';

const ROUND_TO_MICROSECONDS = 1_000;
const NO_BODY = Buffer.alloc(0);

export interface OpenCallOptions {
  accepted: AcceptedRecord;
  /** The client's request, until the call has ended. */
  body: Buffer;
  /** The same, as it goes to a provider. */
  request: Pick<InferenceRequest, 'bodyFor' | 'upstreamHeaders'> | null;
  /** Of the memory that the body takes. */
  lease: BodyLease;
  /** Output tokens the hold pays for, when the model's maximum was not affordable; null = not clamped. */
  clamp: number | null;
  reading: AnswerReading;
  skin: ErrorSkin;
  res: ServerResponse;
  headers: Readonly<HeaderList>;
  /** Resolves once the `accepted` record is on the disk: no byte reaches the client before. */
  durable: Promise<void>;
  trace: CallTrace;
}

/** The call's span, and the means to make spans below it. */
export interface CallTrace {
  tracing: Tracing;
  span: TraceSpan;
}

/** Serves a call, and can end it before its time. */
export interface CallServer {
  endNow(error?: ApiError): Promise<void>;
}

/** One admitted call between its admission and its exit. */
export class OpenCall implements RosterMember {
  readonly exit = new CallExit();
  readonly attempts: Attempt[] = [];
  readonly startedAtMs = performance.now();
  firstByteMs: number | null = null;
  isDurable = false;
  /** Of the open calls. */
  rosterIndex = -1;
  /** Whoever serves it; null before that. A function in its place tied calls together in memory: docs/performance-notes.md, "A ninth round". */
  servedBy: CallServer | null = null;
  private attemptStartedAtMs = 0;
  private deployment: Deployment | null = null;
  /** Reference of the credential that the last attempt was made with. */
  credential: string | null = null;
  private attemptSpan: TraceSpan | null = null;

  constructor(readonly options: OpenCallOptions) {
    void options.durable.then(() => {
      failPoint('gateway.after_accepted');
      this.isDurable = true;
    });
  }

  get requestId(): string {
    return this.options.accepted.requestId;
  }

  elapsedMs(sinceMs: number = this.startedAtMs): number {
    return Math.round((performance.now() - sinceMs) * ROUND_TO_MICROSECONDS) / ROUND_TO_MICROSECONDS;
  }

  beginAttempt(deployment: Deployment): void {
    this.deployment = deployment;
    this.credential = deployment.credential;
    this.attemptStartedAtMs = performance.now();
    const { tracing, span } = this.options.trace;
    if (tracing.isEnabled)
      this.attemptSpan = tracing.startSpan('upstream attempt', { role: 'client', parent: span.traceparent });
  }

  /** Ends the call at once, by a shutdown if nothing else is said. */
  endNow(error?: ApiError): Promise<void> {
    return this.servedBy === null ? Promise.resolve() : this.servedBy.endNow(error);
  }

  /** Records how the attempt in progress went; a second call for the same attempt changes nothing. */
  endAttempt(status: number | null, failure: UpstreamFailure | null): void {
    if (this.deployment === null) return;
    const { provider, upstreamModel } = this.deployment;
    // An event that lists more would be quarantined: the first ones stay, and the last, which made the answer.
    if (this.attempts.length === ATTEMPTS_MAX) this.attempts.pop();
    this.attempts.push({ provider, upstreamModel, status, failure, latencyMs: this.elapsedMs(this.attemptStartedAtMs) });
    this.deployment = null;
    if (status !== null) this.attemptSpan?.set('http.response.status_code', status);
    if (failure !== null) this.attemptSpan?.fail(failure);
    this.attemptSpan?.end();
  }

  /** The call has ended, and its connection may last: neither the client's request nor the memory it takes is kept until it closes. */
  dropRequest(): void {
    this.options.body = NO_BODY;
    this.options.request = null;
    this.options.lease.letGo();
  }

  noteFirstByte(): void {
    this.firstByteMs ??= this.elapsedMs();
  }
}
