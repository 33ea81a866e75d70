import { readBaseUrl } from '../base-url.service.js';
import type { Provider } from '../upstream.types.js';

/** Asked for when the client names none; it is the version whose answers are understood here. */
const API_VERSION = '2023-06-01';

/** Anthropic's own API. The base URL ends in `/v1`; `anthropic-*` headers of the client go before the default. */
export const anthropic: Provider = {
  addressOf({ deployment, path, headers: given }, secret) {
    const base = readBaseUrl(deployment.baseUrl);
    const headers: Record<string, string> = { 'anthropic-version': given?.['anthropic-version'] ?? API_VERSION };
    if (secret !== null) headers['x-api-key'] = secret;
    return { origin: base.origin, path: `${base.path}${path}`, headers };
  },
};
