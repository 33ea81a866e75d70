import { invalidField, isRecord, missingField, parseFields, readCount, readModel } from '../body/json-body.types.js';
import { readStream, type Streaming } from '../body/stream-fields.types.js';
import { type ApiError, apiError } from '../errors/api-error.types.js';
import { type ContentKinds, readContentKinds } from './chat-content.js';

export const CHOICES_MAX = 128;

/** What bears on the price of a chat completion request. */
export interface ChatRequest extends Streaming {
  model: string;
  maxTokens: number | null;
  messages: number;
  choices: number;
  kinds: ContentKinds;
  fields: Record<string, unknown>;
}

function readMaxTokens(fields: Record<string, unknown>): number | null | ApiError {
  const older = readCount(fields, 'max_tokens');
  if (typeof older === 'object' && older !== null) return older;
  const newer = readCount(fields, 'max_completion_tokens');
  if (typeof newer === 'object' && newer !== null) return newer;
  // Given both, which one an upstream obeys is its own affair: hold for the larger.
  return older === null ? newer : Math.max(older, newer ?? 0);
}

function readMessages(fields: Record<string, unknown>): Record<string, unknown>[] | ApiError {
  const { messages } = fields;
  if (messages === undefined && fields.input !== undefined) {
    return apiError(
      'missing_required_parameter',
      'This endpoint takes "messages". A body with "input" belongs to the Responses API: POST /v1/responses.',
      { param: 'messages' },
    );
  }
  if (messages === undefined) return missingField('messages');
  if (!Array.isArray(messages) || messages.length === 0)
    return invalidField('messages', '"messages" must be an array with at least one message.');
  const odd = messages.findIndex((message) => !isRecord(message));
  return odd === -1 ? messages : invalidField(`messages[${odd}]`, `"messages[${odd}]" must be an object.`);
}

/** Reads and checks a request body. Unknown fields are none of our business: they go upstream as they came. */
export function readChatRequest(body: Buffer): ChatRequest | ApiError {
  const parsed = parseFields(body);
  if ('status' in parsed) return parsed;
  const { fields } = parsed;
  const model = readModel(fields);
  if (typeof model !== 'string') return model;
  const messages = readMessages(fields);
  if (!Array.isArray(messages)) return messages;
  const streaming = readStream(fields);
  if ('status' in streaming) return streaming;
  const maxTokens = readMaxTokens(fields);
  if (typeof maxTokens === 'object' && maxTokens !== null) return maxTokens;
  const choices = readCount(fields, 'n', CHOICES_MAX);
  if (typeof choices === 'object' && choices !== null) return choices;
  const kinds = readContentKinds(fields, messages);
  if ('status' in kinds) return kinds;
  return { model, ...streaming, maxTokens, messages: messages.length, choices: choices ?? 1, kinds, fields };
}
