import type { Deployment, Model } from '@tensorloop/contracts/model-catalogue';
import type { Credentials } from '../upstreams/credentials.service.js';

/** Attempts at one call, over different deployments. */
export const ATTEMPTS_MAX = 3;

/** The deployments to try for a model, in the catalogue's order, without those whose credential this machine lacks. */
export function deploymentsFor(model: Model, credentials: Credentials): Deployment[] {
  const usable = model.deployments.filter(({ credential }) => credential === null || credentials.resolve(credential) !== null);
  return usable.slice(0, ATTEMPTS_MAX);
}
