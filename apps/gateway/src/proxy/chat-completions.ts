import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Admission } from '@tensorloop/admission/admission.types';
import type { Deployment, Model } from '@tensorloop/contracts/model-catalogue';
import { WINDOW_MS } from '@tensorloop/kernel/budget-window';
import type { Tracing } from '@tensorloop/observability/tracing';
import type { AdmissionGate, KeyIdentity } from '../admission/admission-gate.service.js';
import { affordableTokens, type Quote, quoteCall } from '../admission/quote.service.js';
import { budgetHeaders, goDuration, modelNotAllowed } from '../admission/refusals.service.js';
import { readBearer } from '../auth/bearer.service.js';
import type { KeyHasher } from '../auth/key-hasher.service.js';
import { type ApiError, apiError, isApiError, unavailable } from '../errors/api-error.types.js';
import { sendError } from '../errors/send-error.service.js';
import type { AcceptedRecord } from '../journal/journal.types.js';
import type { ModelStore } from '../models/model-store.service.js';
import { deploymentsFor } from '../routing/router.service.js';
import type { Credentials } from '../upstreams/credentials.service.js';
import type { Upstream } from '../upstreams/upstream.types.js';
import type { AnswerContext } from './answer.js';
import { BufferedAnswer } from './buffered-answer.js';
import type { Capacity } from './capacity.service.js';
import type { ChatRequest } from './chat.types.js';
import { upstreamBody } from './chat-body.js';
import { readChatRequest } from './chat-request.js';
import { type CallTrace, OpenCall } from './open-call.js';
import { StreamAnswer } from './stream-answer.js';

const PATH = '/chat/completions';
const SPAN_NAME = 'POST /v1/chat/completions';
const OPENAI_HOST = 'api.openai.com';
const RETRY_SECONDS = 5;
const MS_PER_SECOND = 1_000;

export interface ChatParts {
  gatewayId: string;
  capacity: Capacity;
  hasher: KeyHasher;
  gate: AdmissionGate;
  models: ModelStore;
  credentials: Credentials;
  upstream: Upstream;
  answers: AnswerContext;
  tracing: Tracing;
  /** Told of every refusal, for metrics. */
  onRefused: (error: ApiError) => void;
  /** Told how long each admitted call took to be admitted. */
  onAdmitted: (seconds: number) => void;
}

/** One request on its way to admission. */
interface Asking {
  requestId: string;
  key: KeyIdentity;
  request: ChatRequest;
  body: Buffer;
  res: ServerResponse;
  headers: Record<string, string>;
  trace: CallTrace;
}

interface Target {
  model: Model;
  deployments: Deployment[];
}

/** `POST /v1/chat/completions`: the data path of one call, from the bearer to the hand-over to its answer. */
export class ChatCompletions {
  constructor(private readonly parts: ChatParts) {}

  async handle(req: IncomingMessage, body: Buffer, reply: { res: ServerResponse; requestId: string }): Promise<void> {
    const headers = { 'x-request-id': reply.requestId };
    const trace = this.startTrace(req);
    const refused = await this.serve(req, body, { ...reply, headers, trace });
    if (refused === null) return;
    trace.span.set('error.type', refused.body.error.code ?? 'refused');
    trace.span.end();
    this.parts.onRefused(refused);
    sendError(reply.res, refused, headers);
  }

  private async serve(
    req: IncomingMessage,
    body: Buffer,
    reply: Pick<Asking, 'res' | 'requestId' | 'headers' | 'trace'>,
  ): Promise<ApiError | null> {
    const arrivedAtMs = performance.now();
    const full = this.parts.capacity.refusal();
    if (full !== null) return full;
    const bearer = readBearer(req.headers.authorization, req.headers.cookie);
    if (isApiError(bearer)) return bearer;
    const key = { accountTag: bearer.accountTag, keyHash: this.parts.hasher.hash(bearer.keyText) };
    const request = readChatRequest(body);
    // Who may not ask at all is told so before being told what is wrong with the question.
    if (isApiError(request)) return this.afterKeyCheck(key, () => request);
    const asking: Asking = { ...reply, key, request, body };
    const target = await this.findTarget(asking);
    if (isApiError(target)) return target;
    const call = await this.parts.gate.admit(
      {
        key,
        requestId: asking.requestId,
        model: request.model,
        quoteAt: (nowMs) => quoteCall(this.parts.models, { model: target.model, request }, nowMs),
      },
      (admission, quote) => this.open(asking, admission, quote),
    );
    if (isApiError(call)) return call;
    this.parts.onAdmitted((performance.now() - arrivedAtMs) / MS_PER_SECOND);
    this.dispatch(call, target, asking);
    return null;
  }

  private startTrace(req: IncomingMessage): CallTrace {
    const { tracing } = this.parts;
    const { traceparent } = req.headers;
    const parent = typeof traceparent === 'string' ? traceparent : null;
    return { tracing, span: tracing.startSpan(SPAN_NAME, { role: 'server', parent }) };
  }

  private async afterKeyCheck(key: KeyIdentity, error: (models: string[]) => ApiError): Promise<ApiError> {
    const found = await this.parts.gate.findKey(key);
    return isApiError(found) ? found : error(found.models);
  }

  private async findTarget({ key, request }: Asking): Promise<Target | ApiError> {
    const model = this.parts.models.findModel(request.model);
    if (model === null) return this.afterKeyCheck(key, () => modelNotAllowed(request.model));
    if (model.isRetired) {
      const retired = apiError('model_not_found', `The model "${model.id}" has been retired.`, { param: 'model' });
      return this.afterKeyCheck(key, (models) =>
        models.includes('*') || models.includes(model.id) ? retired : modelNotAllowed(model.id),
      );
    }
    if (!model.endpoints.includes('chat.completions')) {
      const wrong = apiError('invalid_value', `The model "${model.id}" does not serve chat completions.`, { param: 'model' });
      return this.afterKeyCheck(key, (models) =>
        models.includes('*') || models.includes(model.id) ? wrong : modelNotAllowed(model.id),
      );
    }
    const deployments = deploymentsFor(model, this.parts.credentials);
    if (deployments.length > 0) return { model, deployments };
    const unserved = unavailable(
      'no_upstream',
      `No provider for the model "${model.id}" is configured on this gateway.`,
      RETRY_SECONDS,
    );
    return this.afterKeyCheck(key, (models) =>
      models.includes('*') || models.includes(model.id) ? unserved : modelNotAllowed(model.id),
    );
  }

  /** Runs in the turn in which the admission arrived, so that no hold exists that neither Redis nor the journal can name. */
  private open(asking: Asking, admission: Admission, quote: Quote): OpenCall {
    const { request, res } = asking;
    const clamp = admission.holdNanoUsd < quote.holdNanoUsd ? affordableTokens(quote, admission.holdNanoUsd) : null;
    const accepted = this.acceptedRecord(asking, admission, quote);
    const durable = this.parts.answers.journal.accept(accepted);
    const headers = { ...asking.headers, ...admissionHeaders(admission, clamp) };
    const call = new OpenCall({
      accepted,
      clamp,
      body: asking.body,
      keepsUsageEvent: request.wantsUsage,
      res,
      headers,
      durable,
      trace: asking.trace,
    });
    this.parts.answers.openCalls.add(call);
    return call;
  }

  private acceptedRecord({ requestId, key, request, body }: Asking, admission: Admission, quote: Quote): AcceptedRecord {
    return {
      requestId,
      accountId: admission.accountId,
      accountTag: key.accountTag,
      keyId: admission.keyId,
      model: request.model,
      endpoint: 'chat.completions',
      gatewayId: this.parts.gatewayId,
      stream: request.stream,
      admittedAtMs: admission.admittedAtMs,
      windowIndex: admission.windowIndex,
      windowStartMs: admission.windowStartMs,
      day: admission.day,
      priceVersionId: quote.price.id,
      holdNanoUsd: admission.holdNanoUsd.toString(),
      promptBytes: body.length,
      price: quote.price,
    };
  }

  /** Sends the call to the first deployment; to the next ones only while nothing has been sent to any. */
  private dispatch(call: OpenCall, { deployments }: Target, { request, body, requestId }: Asking): void {
    const remaining = [...deployments];
    const tryNext = (): boolean => {
      const deployment = remaining.shift();
      if (deployment === undefined) return false;
      const { clamp } = call.options;
      const changed = upstreamBody(body, request.fields, {
        model: deployment.upstreamModel,
        includeUsage: request.stream,
        ...(clamp === null ? {} : { maxTokens: { field: limitField(deployment), value: clamp } }),
      });
      call.beginAttempt(deployment);
      this.parts.upstream.send({ deployment, path: PATH, requestId, body: changed }, answer);
      return true;
    };
    const Kind = request.stream ? StreamAnswer : BufferedAnswer;
    const answer = new Kind(call, this.parts.answers, tryNext);
    tryNext();
  }
}

/** OpenAI's newer models refuse `max_tokens`; other servers of its format know nothing else. */
function limitField(deployment: Deployment): 'max_tokens' | 'max_completion_tokens' {
  return new URL(deployment.baseUrl).hostname === OPENAI_HOST ? 'max_completion_tokens' : 'max_tokens';
}

function admissionHeaders(admission: Admission, clamp: number | null): Record<string, string> {
  const { rpm, budget, windowStartMs } = admission;
  return {
    'x-ratelimit-limit-requests': String(rpm.limit),
    'x-ratelimit-remaining-requests': String(rpm.remaining),
    'x-ratelimit-reset-requests': goDuration(rpm.resetMs),
    ...budgetHeaders(budget, windowStartMs + WINDOW_MS),
    ...(clamp === null ? {} : { 'x-tensorloop-max-tokens-clamped': String(clamp) }),
  };
}
