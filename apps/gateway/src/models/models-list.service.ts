import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Model } from '@tensorloop/contracts/model-catalogue';
import type { AdmissionGate } from '../admission/admission-gate.service.js';
import { readBearer } from '../auth/bearer.service.js';
import type { KeyHasher } from '../auth/key-hasher.service.js';
import { type ApiError, apiError, isApiError, unavailable } from '../errors/api-error.types.js';
import { sendError } from '../errors/send-error.service.js';
import type { ModelStore } from './model-store.service.js';

const RETRY_SECONDS = 2;

export interface ModelsListParts {
  hasher: KeyHasher;
  gate: AdmissionGate;
  models: ModelStore;
}

interface Reply {
  res: ServerResponse;
  requestId: string;
}

function toOpenAi(model: Model) {
  return { id: model.id, object: 'model', created: Math.floor(model.createdAtMs / 1_000), owned_by: model.ownedBy };
}

/** `GET /v1/models` and `GET /v1/models/{id}`: what the key may use (spec TL-11). */
export class ModelsList {
  constructor(private readonly parts: ModelsListParts) {}

  async list(req: IncomingMessage, reply: Reply): Promise<void> {
    const models = await this.allowed(req);
    send(reply, isApiError(models) ? models : { object: 'list', data: models.map(toOpenAi) });
  }

  async get(req: IncomingMessage, id: string, reply: Reply): Promise<void> {
    const models = await this.allowed(req);
    if (isApiError(models)) return send(reply, models);
    const model = models.find((candidate) => candidate.id === id) ?? models.find(({ aliases }) => aliases.includes(id));
    send(
      reply,
      model === undefined
        ? apiError('model_not_found', `The model "${id.slice(0, 128)}" does not exist or this key may not use it.`, {
            param: 'model',
          })
        : toOpenAi(model),
    );
  }

  private async allowed(req: IncomingMessage): Promise<Model[] | ApiError> {
    const bearer = readBearer(req.headers.authorization, req.headers.cookie);
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

function send({ res, requestId }: Reply, content: ApiError | object): void {
  const headers = { 'x-request-id': requestId };
  if (isApiError(content)) return sendError(res, content, headers);
  const body = Buffer.from(JSON.stringify(content));
  res.writeHead(200, { ...headers, 'content-type': 'application/json; charset=utf-8', 'content-length': body.length });
  res.end(body);
}
