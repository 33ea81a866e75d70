import { readBaseUrl } from '../base-url.service.js';
import type { Provider } from '../upstream.types.js';

/** Operations that name their model in the body and not in the address, whatever the API version. */
const WITHOUT_DEPLOYMENT = new Set(['/responses']);

/**
 * Azure OpenAI. With an `apiVersion` the deployment stands in the path (`…/openai/deployments/NAME/chat/completions
 * ?api-version=…`) and the base URL ends in `/openai`; without one it is Azure's versionless API, whose base URL ends in
 * `/openai/v1` and whose paths are OpenAI's. Both take the key in `api-key`.
 */
export const azureOpenAi: Provider = {
  addressOf({ deployment, path }, secret) {
    const { baseUrl, upstreamModel, apiVersion } = deployment;
    const base = readBaseUrl(baseUrl);
    const headers: Record<string, string> = secret === null ? {} : { 'api-key': secret };
    if (apiVersion === null) return { origin: base.origin, path: `${base.path}${path}`, headers };
    const place = WITHOUT_DEPLOYMENT.has(path) ? '' : `/deployments/${encodeURIComponent(upstreamModel)}`;
    const query = `?api-version=${encodeURIComponent(apiVersion)}`;
    return { origin: base.origin, path: `${base.path}${place}${path}${query}`, headers };
  },
};
