import type { Deployment, Model } from '@tensorloop/contracts/model-catalogue';
import type { Credentials } from '../upstreams/credentials.service.js';

/** The deployments that can serve a model here: not those without weight, nor those whose credential this machine lacks. */
export function deploymentsFor(model: Model, credentials: Credentials): Deployment[] {
  return model.deployments.filter(
    ({ weight, credential }) => weight > 0 && (credential === null || credentials.resolve(credential) !== null),
  );
}
