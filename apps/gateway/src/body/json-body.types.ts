import { isUtf8 } from 'node:buffer';
import { type ApiError, apiError } from '../errors/api-error.types.js';

export type Fields = Record<string, unknown>;

/** A value that is JSON already. */
export class JsonText {
  constructor(readonly json: string) {}
}

export function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True for a field that says something: absent and null mean the same everywhere in these APIs. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

export function invalidField(param: string, message: string): ApiError {
  return apiError('invalid_value', message, { param });
}

export function missingField(param: string): ApiError {
  return apiError('missing_required_parameter', `Missing required parameter: "${param}".`, { param });
}

/** Fields that say what a call may cost, or whom it goes to. */
const READ_FIELDS = new Set(
  [
    ['model', 'stream', 'stream_options', 'service_tier', 'n', 'best_of'],
    ['max_tokens', 'max_completion_tokens', 'max_output_tokens', 'thinking', 'top_n'],
    ['messages', 'system', 'prompt', 'input', 'query', 'documents', 'prediction', 'tools'],
    ['modalities', 'audio', 'web_search_options', 'background', 'previous_response_id', 'conversation', 'context_management'],
    ['size', 'quality', 'output_format', 'complexity', 'width', 'height', 'resolution', 'image_size', 'image_config', 'steps'],
    ['aspect_ratio', 'megapixels', 'num_images', 'num_outputs', 'batch_size', 'num_inference_steps', 'stream_format'],
    ['speed', 'inference_geo', 'mcp_servers', 'container', 'fallbacks', 'fallback_credit_token', 'compaction', 'thread'],
  ].flat(),
);

const PLAIN_NAME = /^[a-z0-9_]*$/;

/**
 * Servers written in Go find a field whatever the case of its name, and take the last of several: a "Model" beside the "model"
 * would be served at the price of another. Go folds two letters beyond ASCII as well, the long s and the Kelvin sign.
 */
function misspelt(fields: Fields): ApiError | null {
  for (const name in fields) {
    if (PLAIN_NAME.test(name)) continue;
    const plain = name.toUpperCase().toLowerCase();
    if (READ_FIELDS.has(plain))
      return invalidField(name, `Unknown field "${name}": the names of fields are lower case. Did you mean "${plain}"?`);
  }
  return null;
}

/** The fields of a body that must be a JSON object. Wrapped, because a body may look like an error of ours. */
export function parseFields(body: Buffer): { fields: Fields } | ApiError {
  // Read leniently, other bytes would be counted and forwarded than were checked.
  if (!isUtf8(body)) return apiError('invalid_body', 'The request body is not valid UTF-8.');
  let fields: unknown;
  try {
    fields = JSON.parse(body.toString('utf8'));
  } catch {
    return apiError(
      'invalid_body',
      'The request body is not valid JSON. Send a JSON object with the header "Content-Type: application/json".',
    );
  }
  if (!isRecord(fields)) return apiError('invalid_body', 'The request body must be a JSON object.');
  return misspelt(fields) ?? { fields };
}

export function readModel({ model }: Fields): string | ApiError {
  if (model === undefined) return missingField('model');
  return typeof model === 'string' && model !== ''
    ? model
    : invalidField('model', '"model" must be the id of a model, as text.');
}

/** A positive integer field, null when absent. */
export function readCount(fields: Fields, name: string, max = Number.MAX_SAFE_INTEGER): number | null | ApiError {
  const value = fields[name];
  if (!isGiven(value)) return null;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1)
    return invalidField(name, `"${name}" must be a positive integer.`);
  return value > max ? invalidField(name, `"${name}" must be at most ${max}.`) : value;
}

/** A true/false field; absent is false. */
export function readFlag(fields: Fields, name: string): boolean | ApiError {
  const value = fields[name];
  if (!isGiven(value)) return false;
  return typeof value === 'boolean' ? value : invalidField(name, `"${name}" must be true or false.`);
}

/** Reading recurses in places, and a client may nest a body as deep as it likes: what the stack cannot hold is refused. */
export function refuseDeep<Request>(read: () => Request | ApiError): Request | ApiError {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) return apiError('invalid_body', 'The request body is nested too deeply.');
    throw error;
  }
}
