import { type Fields, parseFields, readCount, readModel } from '../body/json-body.types.js';
import { pricedTier } from '../body/priced-fields.types.js';
import { readStream, type Streaming } from '../body/stream-fields.types.js';
import { readTexts } from '../body/texts.types.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';

export const CHOICES_MAX = 128;

/** What bears on the price of a completion request. */
export interface CompletionsRequest extends Streaming {
  model: string;
  maxTokens: number | null;
  prompts: number;
  /** Tokens among the prompts that came as numbers. */
  tokens: number;
  /** Completions generated for each prompt, whether they are returned or not. */
  choices: number;
  fields: Fields;
}

/** 0 is a limit too: it is how a prompt's own log probabilities are asked for. */
function readMaxTokens(fields: Fields): number | null | ApiError {
  return fields.max_tokens === 0 ? 0 : readCount(fields, 'max_tokens');
}

/** All of `best_of` are generated and charged, however few of them `n` returns. */
function readChoices(fields: Fields): number | ApiError {
  const returned = readCount(fields, 'n', CHOICES_MAX);
  if (isApiError(returned)) return returned;
  const generated = readCount(fields, 'best_of', CHOICES_MAX);
  return isApiError(generated) ? generated : Math.max(returned ?? 1, generated ?? 1);
}

/** Reads and checks a body. Unknown fields go upstream as they came. */
export function readCompletionsRequest(body: Buffer): CompletionsRequest | ApiError {
  const parsed = parseFields(body);
  if (isApiError(parsed)) return parsed;
  const { fields } = parsed;
  const model = readModel(fields);
  if (isApiError(model)) return model;
  const prompts = readTexts(fields.prompt, 'prompt');
  if (isApiError(prompts)) return prompts;
  const streaming = readStream(fields);
  if (isApiError(streaming)) return streaming;
  const maxTokens = readMaxTokens(fields);
  if (isApiError(maxTokens)) return maxTokens;
  const choices = readChoices(fields);
  if (isApiError(choices)) return choices;
  const priced = pricedTier(fields);
  if (priced !== null) return priced;
  return { model, ...streaming, maxTokens, prompts: prompts.texts, tokens: prompts.tokens, choices, fields };
}
