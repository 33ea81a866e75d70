import type { NormalisedUsage } from './openai-usage.js';
import { isTokenCount } from './token-count.js';

/** Usage of endpoints that only read (embeddings, rerank), as OpenAI, Jina, Voyage and vLLM report it. */
export interface InputUsage {
  prompt_tokens?: unknown;
  total_tokens?: unknown;
}

/**
 * Everything read, as `input`. `total_tokens` is what such providers charge by; `prompt_tokens` is the same number where both
 * are given. A total below its own part is `nonsense`: the caller then estimates.
 */
export function normaliseInputUsage(raw: InputUsage): NormalisedUsage {
  const { prompt_tokens: prompt = null, total_tokens: total = null } = raw;
  if (prompt !== null && !isTokenCount(prompt)) return { nonsense: 'prompt_tokens is not a token count' };
  if (total !== null && !isTokenCount(total)) return { nonsense: 'total_tokens is not a token count' };
  if (prompt !== null && total !== null && total < prompt)
    return { nonsense: `total_tokens (${total}) is below prompt_tokens (${prompt})` };
  const tokens = total ?? prompt;
  if (tokens === null) return { nonsense: 'neither total_tokens nor prompt_tokens is given' };
  return { usage: tokens === 0 ? {} : { input: tokens } };
}
