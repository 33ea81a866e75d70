import { readBaseUrl } from '../base-url.service.js';
import type { Provider } from '../upstream.types.js';

/** OpenAI, and every server that speaks its format: vLLM, llama.cpp, Ollama, Groq, Mistral, Together and so on. */
export const openAi: Provider = {
  addressOf({ deployment, path }, secret) {
    const base = readBaseUrl(deployment.baseUrl);
    const headers: Record<string, string> = secret === null ? {} : { authorization: `Bearer ${secret}` };
    return { origin: base.origin, path: `${base.path}${path}`, headers };
  },
};
