import type { IncomingMessage } from 'node:http';
import type { Model } from '@tensorloop/contracts/model-catalogue';
import type { AdmissionGate } from '../admission/admission-gate.service.js';
import type { KeyHasher } from '../auth/key-hasher.service.js';
import { type ApiError, apiError, isApiError, unavailable } from '../errors/api-error.types.js';
import { sendError } from '../errors/send-error.service.js';
import { type Reply, sendJson } from '../errors/send-json.service.js';
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

/** Clients of Anthropic's name a version in every request, and nobody else does. */
function isAnthropic(req: IncomingMessage): boolean {
  return req.headers['anthropic-version'] !== undefined;
}

/** `GET /v1/models` and `GET /v1/models/{id}`: what the key may use (spec TL-11), in the shape that the client reads. */
export class ModelsList {
  constructor(private readonly parts: ModelsListParts) {}

  async list(req: IncomingMessage, reply: Reply): Promise<void> {
    const models = await this.allowed(req);
    if (isApiError(models)) return send(req, reply, models);
    const query = new URLSearchParams(req.url?.split('?', 2)[1]);
    send(req, reply, isAnthropic(req) ? anthropicPage(models, query) : { object: 'list', data: models.map(toOpenAi) });
  }

  async get(req: IncomingMessage, id: string, reply: Reply): Promise<void> {
    const models = await this.allowed(req);
    if (isApiError(models)) return send(req, reply, models);
    const model = models.find((candidate) => candidate.id === id) ?? models.find(({ aliases }) => aliases.includes(id));
    if (model !== undefined) return send(req, reply, isAnthropic(req) ? toAnthropic(model) : toOpenAi(model));
    const message = `The model "${id.slice(0, 128)}" does not exist or this key may not use it.`;
    send(req, reply, apiError('model_not_found', message, { param: 'model' }));
  }

  private async allowed(req: IncomingMessage): Promise<Model[] | ApiError> {
    const bearer = readAnthropicKey(req.headers);
    if (isApiError(bearer)) return bearer;
    if (!this.parts.models.isReady)
      return unavailable('admission_unavailable', 'This gateway is still starting.', RETRY_SECONDS);
    const found = await this.parts.gate.findKey({
      accountTag: bearer.accountTag,
      keyHash: this.parts.hasher.hash(bearer.keyText),
    });
    if (isApiError(found)) return found;
    const all = found.models.includes('*');
    return this.parts.models.listModels().filter((model) => !model.isRetired && (all || found.models.includes(model.id)));
  }
}

function send(req: IncomingMessage, reply: Reply, content: ApiError | object): void {
  if (!isAnthropic(req)) return sendJson(reply, content);
  const { res, requestId } = reply;
  res.setHeader('request-id', requestId);
  if (!isApiError(content)) return sendJson(reply, content);
  sendError(res, { ...content, body: ANTHROPIC_SKIN.body(content, requestId) }, { 'x-request-id': requestId });
}
