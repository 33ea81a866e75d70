import type { ApiError } from '../errors/api-error.types.js';
import { invalidField, missingField } from './json-body.types.js';

/** As many as OpenAI takes in one call. */
export const TEXTS_MAX = 2_048;

/** Texts that a model reads one by one. */
export interface Texts {
  texts: number;
  /** Tokens that came as numbers, counted by the client. */
  tokens: number;
}

function isToken(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

function isTokenList(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every(isToken);
}

/** Text, texts, tokens, or lists of tokens: OpenAI's four forms, alike for inputs to embed and prompts to complete. */
export function readTexts(value: unknown, name: string): Texts | ApiError {
  if (value === undefined) return missingField(name);
  if (typeof value === 'string') return { texts: 1, tokens: 0 };
  if (!Array.isArray(value)) return invalidField(name, `"${name}" must be text, a list of texts, or lists of tokens.`);
  if (value.length === 0) return invalidField(name, `"${name}" must hold at least one text.`);
  if (isTokenList(value)) return { texts: 1, tokens: value.length };
  if (value.length > TEXTS_MAX) return invalidField(name, `"${name}" must hold at most ${TEXTS_MAX} texts.`);
  let tokens = 0;
  for (const [index, text] of value.entries()) {
    if (isTokenList(text)) tokens += text.length;
    else if (typeof text !== 'string')
      return invalidField(`${name}[${index}]`, `"${name}[${index}]" must be text, or a list of tokens.`);
  }
  return { texts: value.length, tokens };
}
