import type { Deployment, Model } from '@tensorloop/contracts/model-catalogue';
import type { AdmissionGate, KeyIdentity } from '../admission/admission-gate.service.js';
import { withLeft } from '../admission/limits-left.service.js';
import { modelNotAllowed } from '../admission/refusals.service.js';
import { type ApiError, apiError, isApiError, type RefusedCaller, unavailable } from '../errors/api-error.types.js';
import type { ModelStore } from '../models/model-store.service.js';
import { deploymentsFor } from '../routing/router.service.js';
import type { Credentials } from '../upstreams/credentials.service.js';
import type { Endpoint } from './endpoint.types.js';

const RETRY_SECONDS = 5;

/** Whom a call goes to. */
export interface Target {
  model: Model;
  deployments: Deployment[];
}

export interface TargetParts {
  gate: AdmissionGate;
  models: ModelStore;
  credentials: Credentials;
}

/**
 * Finds who serves a model. What is wrong with a model is told only to keys that may use it; to all others a model outside
 * their allowlist looks the same whether it exists or not (spec TL-3, TL-8).
 */
export class TargetFinder {
  constructor(private readonly parts: TargetParts) {}

  /** At once where there is one, as there nearly always is. */
  find(endpoint: Endpoint, asked: string, key: KeyIdentity): Target | Promise<ApiError> {
    const model = this.parts.models.findModel(asked);
    if (model === null) return this.afterKeyCheck(modelNotAllowed(asked), key, asked);
    const problem = unserved(model, endpoint);
    if (problem !== null) return this.refuse(problem, { model, asked }, key);
    const deployments = deploymentsFor(model, this.parts.credentials);
    if (deployments.length > 0) return { model, deployments };
    const message = `No provider for the model "${model.id}" is configured on this gateway.`;
    return this.refuse(unavailable('no_upstream', message, RETRY_SECONDS), { model, asked }, key);
  }

  /** Who may not ask at all is told so before being told what is wrong with the question. */
  async afterKeyCheck(problem: ApiError, key: KeyIdentity, model: string | null = null): Promise<ApiError> {
    const found = await this.parts.gate.findKeyWithLeft(key);
    return isApiError(found) ? found : { ...withLeft(problem, found), caller: callerOf(found, model) };
  }

  /** `problem` for a key that may use the model; `asked` is how the client named it. */
  async refuse(problem: ApiError, { model, asked }: { model: Model; asked: string }, key: KeyIdentity): Promise<ApiError> {
    const found = await this.parts.gate.findKeyWithLeft(key);
    if (isApiError(found)) return found;
    const isAllowed = found.models.includes('*') || found.models.includes(model.id);
    if (!isAllowed) return { ...withLeft(modelNotAllowed(asked), found), caller: callerOf(found, asked) };
    return { ...withLeft(problem, found), caller: callerOf(found, model.id) };
  }
}

function callerOf({ accountId, keyId }: Omit<RefusedCaller, 'model'>, model: string | null): RefusedCaller {
  return { accountId, keyId, model };
}

function unserved(model: Model, endpoint: Endpoint): ApiError | null {
  if (model.isRetired) return apiError('model_not_found', `The model "${model.id}" has been retired.`, { param: 'model' });
  if (!model.endpoints.includes(endpoint.name))
    return apiError('invalid_value', `The model "${model.id}" does not serve ${endpoint.title}.`, { param: 'model' });
  return null;
}
