import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Admission } from '@tensorloop/admission/admission.types';
import type { Tags } from '@tensorloop/contracts/tags';
import { WINDOW_MS } from '@tensorloop/kernel/budget-window';
import { failPoint } from '@tensorloop/nest-kit/fail-points';
import type { Tracing } from '@tensorloop/observability/tracing';
import type { AdmissionGate, KeyIdentity } from '../admission/admission-gate.service.js';
import { addMarks } from '../admission/admission-marks.service.js';
import { type ExactQuoteParts, exactQuote } from '../admission/exact-quote.service.js';
import { listBudget, listExtraLimits, listRate } from '../admission/limits-left.service.js';
import { affordableTokens, type Quote, quoteCall } from '../admission/quote.service.js';
import { mergeTags, readTagsHeader } from '../attribution/tags-header.service.js';
import type { KeyHasher } from '../auth/key-hasher.service.js';
import { refuseDeep } from '../body/json-body.types.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import type { HeaderList } from '../errors/header-list.types.js';
import { sendError } from '../errors/send-error.service.js';
import type { AcceptedRecord } from '../journal/journal.types.js';
import type { ModelStore } from '../models/model-store.service.js';
import type { RefusedCall } from '../refusals/refusal-events.service.js';
import type { Dispatcher } from '../routing/dispatcher.service.js';
import type { AnswerContext } from './answer.types.js';
import { mediaProblem } from './body-headers.js';
import type { Capacity } from './capacity.service.js';
import { dispatch } from './dispatch.js';
import type { Endpoint, InferenceRequest } from './endpoint.types.js';
import { type CallTrace, OpenCall } from './open-call.js';
import type { BodyLease } from './request-bodies.js';
import type { Target, TargetFinder } from './target.js';

const MS_PER_SECOND = 1_000;

export interface InferenceParts {
  gatewayId: string;
  capacity: Capacity;
  hasher: KeyHasher;
  gate: AdmissionGate;
  models: ModelStore;
  targets: TargetFinder;
  dispatcher: Dispatcher;
  answers: AnswerContext;
  tracing: Tracing;
  /** Told of every refusal, for metrics and for the account's activity. */
  onRefused: (error: ApiError, call: RefusedCall) => void;
  /** Told how long each admitted call took to be admitted. */
  onAdmitted: (seconds: number) => void;
}

/** A request as it came in, and where its answer goes. */
interface Arrival {
  endpoint: Endpoint;
  requestId: string;
  body: Buffer;
  lease: BodyLease;
  res: ServerResponse;
  trace: CallTrace;
}

export function requestIdHeaders(
  { requestIdHeader }: Pick<Endpoint, 'requestIdHeader'>,
  requestId: string,
): Record<string, string> {
  return { 'x-request-id': requestId, ...(requestIdHeader === undefined ? {} : { [requestIdHeader]: requestId }) };
}

/** One request on its way to admission. */
interface Asking {
  arrival: Arrival;
  key: KeyIdentity;
  request: InferenceRequest;
  target: Target;
  /** Tags that the call itself names. */
  callTags: Tags | null;
}

/** The data path of every call, from the bearer to the hand-over to its answer. What differs is in its endpoint. */
export class InferenceCalls {
  private readonly exact: ExactQuoteParts;
  /** Of all calls where nothing is traced. */
  private readonly untraced: CallTrace | null;

  constructor(private readonly parts: InferenceParts) {
    const { models, answers, tracing } = parts;
    this.untraced = tracing.isEnabled ? null : { tracing, span: tracing.startSpan('none') };
    this.exact = { models, count: (body, accountId) => answers.estimator.countExactly(body, accountId) };
  }

  /** Refuses a call of which nothing but its address was read, if there are too many; true = it is answered. */
  shed(endpoint: Endpoint, res: ServerResponse, requestId: () => string): boolean {
    const overload = this.parts.capacity.overload();
    if (overload === null) return false;
    this.refuse(overload, { endpoint, res, requestId: requestId() });
    return true;
  }

  async handle(
    endpoint: Endpoint,
    { req, body, lease }: { req: IncomingMessage; body: Buffer; lease: BodyLease },
    reply: { res: ServerResponse; requestId: string },
  ): Promise<void> {
    const trace = this.untraced ?? this.startTrace(endpoint, req);
    const { openCalls } = this.parts.answers;
    const { res, requestId } = reply;
    let refused: ApiError | null;
    openCalls.arrive();
    // Until it is refused, or its answer has ended: a client that leaves meanwhile leaves its body here.
    lease.hold();
    try {
      refused = await this.serve(req, { endpoint, requestId, body, lease, res, trace });
    } catch (error) {
      lease.letGo();
      throw error;
    } finally {
      openCalls.arrived();
    }
    if (refused === null) return;
    lease.letGo();
    trace.span.set('error.type', refused.body.error.code ?? 'refused');
    trace.span.end();
    this.refuse(refused, { endpoint, res, requestId });
  }

  private refuse(error: ApiError, { endpoint, res, requestId }: Pick<Arrival, 'endpoint' | 'res' | 'requestId'>): void {
    this.parts.onRefused(error, { requestId, endpoint: endpoint.name });
    sendError(res, { ...error, body: endpoint.skin.body(error, requestId) }, requestIdHeaders(endpoint, requestId));
  }

  private async serve(req: IncomingMessage, arrival: Arrival): Promise<ApiError | null> {
    const arrivedAtMs = performance.now();
    const { capacity, hasher, targets, gate } = this.parts;
    const { endpoint, requestId, body } = arrival;
    const full = capacity.refusal();
    if (full !== null) return full;
    const bearer = endpoint.readKey(req.headers);
    if (isApiError(bearer)) return bearer;
    const key = { accountTag: bearer.accountTag, keyHash: hasher.hash(bearer.keyText) };
    const callTags = readTagsHeader(req.headers);
    if (isApiError(callTags)) return targets.afterKeyCheck(callTags, key);
    const request = mediaProblem(req.headers, endpoint.bodyKind) ?? refuseDeep(() => endpoint.read(body, req.headers));
    if (isApiError(request)) return targets.afterKeyCheck(request, key);
    const target = targets.find(endpoint, request.model, key);
    if (target instanceof Promise) return target;
    const { model } = target;
    const asking: Asking = { arrival, key, request, target, callTags };
    const call = await gate.admit(
      {
        key,
        requestId,
        model: model.id,
        askedModel: request.model,
        quoteAt: (nowMs) => quoteCall(this.parts.models, { model, request }, nowMs),
        unquoted: (problem) => targets.refuse(problem, { model, asked: request.model }, key),
        quoteCloser: (refusal) => exactQuote(this.exact, { model, request, body }, refusal),
      },
      (admission, quote) => this.open(asking, admission, quote),
    );
    if (isApiError(call)) return attributed(call, callTags);
    this.parts.onAdmitted((performance.now() - arrivedAtMs) / MS_PER_SECOND);
    dispatch(this.parts, call, { endpoint, request, target });
    return null;
  }

  private startTrace(endpoint: Endpoint, req: IncomingMessage): CallTrace {
    const { tracing } = this.parts;
    const { traceparent } = req.headers;
    const parent = typeof traceparent === 'string' ? traceparent : null;
    return { tracing, span: tracing.startSpan(`POST /v1${endpoint.path}`, { role: 'server', parent }) };
  }

  /** Runs in the turn in which the admission arrived, so that no hold exists that neither Redis nor the journal can name. */
  private open(asking: Asking, admission: Admission, quote: Quote): OpenCall {
    failPoint('gateway.after_admit');
    const { arrival } = asking;
    const clamp = admission.holdNanoUsd < quote.holdNanoUsd ? affordableTokens(quote, admission.holdNanoUsd) : null;
    const accepted = this.acceptedRecord(asking, admission, quote);
    const durable = this.parts.answers.journal.accept(accepted, { isWhole: !asking.request.stream });
    const call = new OpenCall({
      accepted,
      clamp,
      body: arrival.body,
      request: asking.request,
      lease: arrival.lease,
      reading: asking.request.reading,
      skin: arrival.endpoint.skin,
      res: arrival.res,
      headers: answerHeaders(arrival, admission, clamp),
      durable,
      trace: arrival.trace,
    });
    this.parts.answers.openCalls.add(call);
    return call;
  }

  private acceptedRecord(asking: Asking, admission: Admission, quote: Quote): AcceptedRecord {
    const { arrival } = asking;
    const record: AcceptedRecord = {
      requestId: arrival.requestId,
      accountId: admission.accountId,
      accountTag: asking.key.accountTag,
      keyId: admission.keyId,
      model: asking.target.model.id,
      endpoint: arrival.endpoint.name,
      gatewayId: this.parts.gatewayId,
      stream: asking.request.stream,
      admittedAtMs: admission.admittedAtMs,
      windowIndex: admission.windowIndex,
      windowStartMs: admission.windowStartMs,
      day: admission.day,
      priceVersionId: quote.price.id,
      holdNanoUsd: admission.holdNanoUsd.toString(),
      promptBytes: arrival.body.length,
      price: quote.price,
    };
    addMarks(record, admission, asking.callTags);
    return record;
  }
}

/** A refused call says as well what it would have been attributed to. */
function attributed(error: ApiError, callTags: Tags | null): ApiError {
  if (callTags === null || error.caller === undefined) return error;
  return { ...error, caller: { ...error.caller, tags: mergeTags(error.caller.tags, callTags) ?? {} } };
}

function answerHeaders({ endpoint, requestId }: Arrival, admission: Admission, clamp: number | null): HeaderList {
  const { rpm, accountRpm, budget, windowStartMs } = admission;
  const list: HeaderList = ['x-request-id', requestId];
  if (endpoint.requestIdHeader !== undefined) list.push(endpoint.requestIdHeader, requestId);
  listRate(list, rpm, accountRpm);
  listBudget(list, budget, windowStartMs + WINDOW_MS);
  listExtraLimits(list, admission);
  if (clamp !== null) list.push('x-tensorloop-max-tokens-clamped', String(clamp));
  return list;
}
