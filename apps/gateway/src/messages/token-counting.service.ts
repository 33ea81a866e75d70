import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Deployment, Model } from '@tensorloop/contracts/model-catalogue';
import { inputTokensMax } from '@tensorloop/pricing/hold';
import type { AdmissionGate, KeyIdentity } from '../admission/admission-gate.service.js';
import { leftHeaders, type OwnKey, withLeft } from '../admission/limits-left.service.js';
import { modelNotAllowed } from '../admission/refusals.service.js';
import type { KeyHasher } from '../auth/key-hasher.service.js';
import { refuseDeep } from '../body/json-body.types.js';
import { upstreamBody } from '../body/upstream-body.service.js';
import { type ApiError, isApiError, unavailable } from '../errors/api-error.types.js';
import { sendError } from '../errors/send-error.service.js';
import type { JsonAnswer } from '../errors/send-json.service.js';
import type { Dispatcher } from '../routing/dispatcher.service.js';
import type { RoutedCall } from '../routing/routing.types.js';
import { ANTHROPIC_SKIN } from './anthropic-skin.types.js';
import { SmallAnswerReader } from './count-answer.types.js';
import { passedHeaders, readAnthropicKey } from './messages.service.js';
import { type MessagesRequest, readMessagesRequest } from './messages-request.js';

/** Counts asked of providers at the same time; above it the bound of ours is given at once. */
export const COUNTS_MAX = 64;
const RETRY_SECONDS = 2;
const PATH = '/messages/count_tokens';
/** What a provider says about the request itself is passed on; anything else means that it cannot count. */
const REFUSALS = new Set([400, 413, 422]);

interface Countable {
  model: Model;
  deployments: Deployment[];
}

export interface TokenCountingParts {
  hasher: KeyHasher;
  gate: AdmissionGate;
  dispatcher: Dispatcher;
  /** False until models and prices are known: no model can be told from an unknown one before. */
  isReady: () => boolean;
  /** Who serves the model, or why nobody does. */
  findTarget: (model: string, key: KeyIdentity) => Countable | Promise<Countable | ApiError>;
  /** What the client is told of a provider's refusal. */
  refusalOf: (status: number, headers: IncomingHttpHeaders, body: Buffer) => ApiError;
}

export interface CountArrival {
  headers: IncomingHttpHeaders;
  body: Buffer;
  res: ServerResponse;
  requestId: string;
}

interface Count {
  inputTokens: number;
  /** True when it is not the provider's count but the most that it can come to: what a call would be held for. */
  isBound: boolean;
}

/**
 * `POST /v1/messages/count_tokens`. Free: it needs a valid key that may use the model, and neither consumes its requests per
 * minute nor holds anything.
 */
export class TokenCounting {
  private counting = 0;

  constructor(private readonly parts: TokenCountingParts) {}

  async handle(arrival: CountArrival): Promise<void> {
    const { res, requestId } = arrival;
    const headers = { 'x-request-id': requestId, 'request-id': requestId };
    const answer = await this.answer(arrival);
    if (isApiError(answer)) return sendError(res, { ...answer, body: ANTHROPIC_SKIN.body(answer, requestId) }, headers);
    if (res.destroyed) return;
    const body = Buffer.from(JSON.stringify(answer.content));
    res.writeHead(200, { ...headers, ...answer.headers, 'content-type': 'application/json', 'content-length': body.length });
    res.end(body);
  }

  private async answer(arrival: CountArrival): Promise<JsonAnswer | ApiError> {
    const bearer = readAnthropicKey(arrival.headers);
    if (isApiError(bearer)) return bearer;
    const key = { accountTag: bearer.accountTag, keyHash: this.parts.hasher.hash(bearer.keyText) };
    if (!this.parts.isReady()) return unavailable('admission_unavailable', 'This gateway is still starting.', RETRY_SECONDS);
    const found = await this.parts.gate.findKeyWithLeft(key);
    if (isApiError(found)) return found;
    const count = await this.count(arrival, key, found);
    if (isApiError(count)) return count;
    const note = count.isBound ? { 'x-tensorloop-upper-bound': 'true' } : {};
    return { content: { input_tokens: count.inputTokens }, headers: { ...leftHeaders(found.left, found.nowMs), ...note } };
  }

  private async count(arrival: CountArrival, key: KeyIdentity, found: OwnKey): Promise<Count | ApiError> {
    const upstreamHeaders = passedHeaders(arrival.headers);
    if (isApiError(upstreamHeaders)) return withLeft(upstreamHeaders, found);
    const request = refuseDeep(() => readMessagesRequest(arrival.body, 'count'));
    if (isApiError(request)) return withLeft(request, found);
    const target = await this.parts.findTarget(request.model, key);
    // Says itself what is left, to a key that still may ask: it looked the key up once more.
    if (isApiError(target)) return target;
    const { model, deployments } = target;
    const isAllowed = found.models.includes('*') || found.models.includes(model.id);
    if (!isAllowed) return withLeft(modelNotAllowed(request.model), found);
    const count = (await this.ask(arrival, request, { deployments, upstreamHeaders })) ?? bound(model, request);
    return isApiError(count) ? withLeft(count, found) : count;
  }

  /** The provider's own count or refusal; null when it gives neither. */
  private async ask(
    { body, res, requestId }: CountArrival,
    request: MessagesRequest,
    { deployments, upstreamHeaders: headers }: { deployments: Deployment[]; upstreamHeaders: Record<string, string> },
  ): Promise<Count | ApiError | null> {
    if (this.counting >= COUNTS_MAX) return null;
    this.counting += 1;
    const reader = new SmallAnswerReader();
    const giveUp = () => reader.giveUp();
    res.once('close', giveUp);
    try {
      this.parts.dispatcher.dispatch({
        call: unrecordedCall(reader),
        answer: reader,
        deployments,
        requestFor: (deployment) => {
          const sent = upstreamBody(body, request.fields, [['model', deployment.upstreamModel]]);
          return { deployment, path: PATH, requestId, body: sent, headers };
        },
      });
      const answer = await reader.answer;
      if (answer === null) return null;
      if (REFUSALS.has(answer.status)) return this.parts.refusalOf(answer.status, answer.headers, answer.body);
      return answer.status === 200 ? readCount(answer.body) : null;
    } finally {
      res.off('close', giveUp);
      this.counting -= 1;
    }
  }
}

/** A count goes past open circuits and waits for its place as a call does, but there is no record of it. */
function unrecordedCall(reader: SmallAnswerReader): RoutedCall {
  const exit = {
    outcome: null,
    get isClientGone() {
      return reader.wasGivenUp;
    },
  };
  return { exit, beginAttempt: () => undefined, endAttempt: () => undefined };
}

function readCount(body: Buffer): Count | null {
  try {
    const { input_tokens: inputTokens } = JSON.parse(body.toString('utf8')) as { input_tokens?: unknown };
    return typeof inputTokens === 'number' && Number.isSafeInteger(inputTokens) && inputTokens >= 0
      ? { inputTokens, isBound: false }
      : null;
  } catch {
    return null;
  }
}

function bound(model: Model, { shape }: MessagesRequest): Count {
  return { inputTokens: inputTokensMax(model, shape) ?? model.contextTokens, isBound: true };
}
