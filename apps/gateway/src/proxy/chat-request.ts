import type { CallShape } from '@tensorloop/pricing/hold';
import { type ApiError, apiError } from '../errors/api-error.types.js';
import type { ChatRequest } from './chat.types.js';
import { type ContentKinds, readContentKinds } from './chat-content.js';

export const CHOICES_MAX = 128;

function invalid(param: string, message: string): ApiError {
  return apiError('invalid_value', message, { param });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseBody(body: Buffer): { fields: Record<string, unknown> } | ApiError {
  let fields: unknown;
  try {
    fields = JSON.parse(body.toString('utf8'));
  } catch {
    return apiError(
      'invalid_body',
      'The request body is not valid JSON. Send a JSON object with the header "Content-Type: application/json".',
    );
  }
  return isRecord(fields) ? { fields } : apiError('invalid_body', 'The request body must be a JSON object.');
}

/** A positive integer field, null when absent. */
function readCount(fields: Record<string, unknown>, name: string, max = Number.MAX_SAFE_INTEGER): number | null | ApiError {
  const value = fields[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1)
    return invalid(name, `"${name}" must be a positive integer.`);
  return value > max ? invalid(name, `"${name}" must be at most ${max}.`) : value;
}

function readMaxTokens(fields: Record<string, unknown>): number | null | ApiError {
  const older = readCount(fields, 'max_tokens');
  if (typeof older === 'object' && older !== null) return older;
  const newer = readCount(fields, 'max_completion_tokens');
  if (typeof newer === 'object' && newer !== null) return newer;
  // Given both, which one an upstream obeys is its own affair: hold for the larger.
  return older === null ? newer : Math.max(older, newer ?? 0);
}

function readStream(fields: Record<string, unknown>): { stream: boolean; wantsUsage: boolean } | ApiError {
  const { stream, stream_options: options } = fields;
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean')
    return invalid('stream', '"stream" must be true or false.');
  if (options === undefined || options === null) return { stream: stream === true, wantsUsage: false };
  if (!isRecord(options)) return invalid('stream_options', '"stream_options" must be an object.');
  if (stream !== true) return invalid('stream_options', '"stream_options" may only be given when "stream" is true.');
  const wanted = options.include_usage;
  if (wanted !== undefined && wanted !== null && typeof wanted !== 'boolean') {
    return invalid('stream_options.include_usage', '"stream_options.include_usage" must be true or false.');
  }
  return { stream: true, wantsUsage: wanted === true };
}

function readMessages(fields: Record<string, unknown>): Record<string, unknown>[] | ApiError {
  const { messages } = fields;
  if (messages === undefined && fields.input !== undefined) {
    return apiError(
      'missing_required_parameter',
      'This endpoint takes "messages". A body with "input" belongs to the Responses API, which is not served here.',
      { param: 'messages' },
    );
  }
  if (messages === undefined)
    return apiError('missing_required_parameter', 'Missing required parameter: "messages".', { param: 'messages' });
  if (!Array.isArray(messages) || messages.length === 0)
    return invalid('messages', '"messages" must be an array with at least one message.');
  const odd = messages.findIndex((message) => !isRecord(message));
  return odd === -1 ? messages : invalid(`messages[${odd}]`, `"messages[${odd}]" must be an object.`);
}

function readModel(fields: Record<string, unknown>): string | ApiError {
  const { model } = fields;
  if (model === undefined)
    return apiError('missing_required_parameter', 'Missing required parameter: "model".', { param: 'model' });
  return typeof model === 'string' && model !== '' ? model : invalid('model', '"model" must be the id of a model, as text.');
}

function shapeOf(size: Pick<CallShape, 'promptBytes' | 'messages'>, kinds: ContentKinds, choices: number | null): CallShape {
  return {
    ...size,
    images: kinds.images,
    choices: choices ?? 1,
    isInputUnbounded: kinds.isUnbounded,
    hasAudio: kinds.hasAudio,
  };
}

/** Reads and checks a request body. Unknown fields are none of our business: they go upstream as they came. */
export function readChatRequest(body: Buffer): ChatRequest | ApiError {
  const parsed = parseBody(body);
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
  return {
    model,
    ...streaming,
    maxTokens,
    shape: shapeOf({ promptBytes: body.length, messages: messages.length }, kinds, choices),
    predictionBytes: kinds.predictionBytes,
    fields,
  };
}
