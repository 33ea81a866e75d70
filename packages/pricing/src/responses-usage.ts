import type { Dimension } from '@tensorloop/contracts/usage';
import { type NormalisedUsage, normaliseOpenAiUsage, type OpenAiUsage } from './openai-usage.js';

/** Usage of OpenAI's Responses API. Every field may be missing or, from a broken upstream, of any type. */
export interface ResponsesUsage {
  input_tokens?: unknown;
  output_tokens?: unknown;
  input_tokens_details?: OpenAiUsage['prompt_tokens_details'];
  output_tokens_details?: OpenAiUsage['completion_tokens_details'];
}

/** The same counts as in chat completions, with parts inside their wholes, under other names. */
export function normaliseResponsesUsage(raw: ResponsesUsage, priced: ReadonlySet<Dimension>): NormalisedUsage {
  return normaliseOpenAiUsage(
    {
      prompt_tokens: raw.input_tokens,
      completion_tokens: raw.output_tokens,
      prompt_tokens_details: raw.input_tokens_details ?? null,
      completion_tokens_details: raw.output_tokens_details ?? null,
    },
    priced,
  );
}
