import type { IncomingMessage } from 'node:http';
import type { Model } from '@tensorloop/contracts/model-catalogue';
import type { AdmissionGate } from '../admission/admission-gate.service.js';
import { answerWithLeft, type OwnKey } from '../admission/limits-left.service.js';
import type { KeyHasher } from '../auth/key-hasher.service.js';
import { type ApiError, apiError, isApiError, unavailable } from '../errors/api-error.types.js';
import { sendError } from '../errors/send-error.service.js';
import { type JsonAnswer, type Reply, sendJson } from '../errors/send-json.service.js';
import { ANTHROPIC_SKIN } from '../messages/anthropic-skin.types.js';
import { readAnthropicKey } from '../messages/messages.service.js';
import { anthropicPage, toAnthropic } from './anthropic-models.js';
import type { ModelStore } from './model-store.service.js';

const RETRY_SECONDS = 2;

export interface ModelsListParts {
  hasher: KeyHasher;
  gate: AdmissionGate;
  models: ModelStore;
}

function toOpenAi(model: Model) {
  return { id: model.id, object: 'model', created: Math.floor(model.createdAtMs / 1_000), owned_by: model.ownedBy };
}

function notFound(id: string): ApiError {
  const message = `The model "${id.slice(0, 128)}" does not exist or this key may not use it.`;
  return apiError('model_not_found', message, { param: 'model' });
}

/** Clients of Anthropic's name a version in every request, and nobody else does. */
function isAnthropic(req: IncomingMessage): boolean {
  return req.headers['anthropic-version'] !== undefined;
}

/** `GET /v1/models` and `GET /v1/models/{id}`: what the key may use (spec TL-11), in the shape that the client reads. */
export class ModelsList {
  constructor(private readonly parts: ModelsListParts) {}

  async list(req: IncomingMessage, reply: Reply): Promise<void> {
    const key = await this.keyOf(req);
    if (isApiError(key)) return send(req, reply, key);
    const models = this.allowed(key);
    const query = new URLSearchParams(req.url?.split('?', 2)[1]);
    const content = isAnthropic(req) ? anthropicPage(models, query) : { object: 'list', data: models.map(toOpenAi) };
    send(req, reply, answerWithLeft(content, key));
  }

  async get(req: IncomingMessage, id: string, reply: Reply): Promise<void> {
    const key = await this.keyOf(req);
    if (isApiError(key)) return send(req, reply, key);
    const models = this.allowed(key);
    const model = models.find((candidate) => candidate.id === id) ?? models.find(({ aliases }) => aliases.includes(id));
    const shape = isAnthropic(req) ? toAnthropic : toOpenAi;
    send(req, reply, answerWithLeft(model === undefined ? notFound(id) : shape(model), key));
  }

  private async keyOf(req: IncomingMessage): Promise<OwnKey | ApiError> {
    const bearer = readAnthropicKey(req.headers);
    if (isApiError(bearer)) return bearer;
    if (!this.parts.models.isReady)
      return unavailable('admission_unavailable', 'This gateway is still starting.', RETRY_SECONDS);
    return this.parts.gate.findKeyWithLeft({ accountTag: bearer.accountTag, keyHash: this.parts.hasher.hash(bearer.keyText) });
  }

  private allowed(key: OwnKey): Model[] {
    const isAll = key.models.includes('*');
    return this.parts.models.listModels().filter((model) => !model.isRetired && (isAll || key.models.includes(model.id)));
  }
}

function send(req: IncomingMessage, reply: Reply, answer: ApiError | JsonAnswer): void {
  if (!isAnthropic(req)) return sendJson(reply, answer);
  const { res, requestId } = reply;
  res.setHeader('request-id', requestId);
  if (!isApiError(answer)) return sendJson(reply, answer);
  sendError(res, { ...answer, body: ANTHROPIC_SKIN.body(answer, requestId) }, { 'x-request-id': requestId });
}
