import type { CallShape } from '@tensorloop/pricing/hold';
import {
  type Fields,
  invalidField,
  isGiven,
  isRecord,
  missingField,
  parseFields,
  readCount,
  readFlag,
  readModel,
} from '../body/json-body.types.js';
import { pricedTier, pricedTool, unsupportedField } from '../body/priced-fields.types.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import { readItems } from './responses-content.js';

/** What bears on the price of a Responses request. */
export interface ResponsesRequest {
  model: string;
  stream: boolean;
  maxTokens: number | null;
  shape: CallShape;
  fields: Fields;
}

/** History that the provider adds and the gateway cannot see. */
const HISTORY_FIELDS = ['previous_response_id', 'conversation'] as const;
/** Fields by which a call costs what is seen nowhere in it. */
const REFUSED_FIELDS: Record<string, string> = {
  prompt: 'Prompts stored at the provider bring tools and settings of their own; send their text.',
  background: 'What a response in the background costs is known only after its call has ended.',
  context_management: 'A conversation compacted by the provider is charged beyond the output limit.',
};

function refusedField(fields: Fields): ApiError | null {
  for (const [name, reason] of Object.entries(REFUSED_FIELDS)) {
    const value = fields[name];
    if (isGiven(value) && value !== false) return unsupportedField(name, `"${name}" is not served here. ${reason}`);
  }
  return pricedTool(fields.tools) ?? pricedTier(fields);
}

function readInput(fields: Fields): Fields[] | ApiError {
  const { input } = fields;
  if (typeof input === 'string') return [{ content: input }];
  if (!isGiven(input)) return HISTORY_FIELDS.some((name) => isGiven(fields[name])) ? [] : missingField('input');
  if (!Array.isArray(input)) return invalidField('input', '"input" must be text, or a list of items.');
  const odd = input.findIndex((item) => !isRecord(item));
  return odd === -1 ? input : invalidField(`input[${odd}]`, `"input[${odd}]" must be an object.`);
}

/** Reads and checks a body of the Responses API. Unknown fields go upstream as they came. */
export function readResponsesRequest(body: Buffer): ResponsesRequest | ApiError {
  const parsed = parseFields(body);
  if (isApiError(parsed)) return parsed;
  const { fields } = parsed;
  const model = readModel(fields);
  if (isApiError(model)) return model;
  const refused = refusedField(fields);
  if (refused !== null) return refused;
  const items = readInput(fields);
  if (isApiError(items)) return items;
  const stream = readFlag(fields, 'stream');
  if (isApiError(stream)) return stream;
  const maxTokens = readCount(fields, 'max_output_tokens');
  if (isApiError(maxTokens)) return maxTokens;
  const content = readItems(items);
  if (isApiError(content)) return content;
  const shape: CallShape = {
    promptBytes: body.length,
    // Instructions become a message of their own.
    messages: items.length + 1,
    images: content.images,
    hasAudio: content.hasAudio,
    isInputUnbounded: content.isUnbounded || HISTORY_FIELDS.some((name) => isGiven(fields[name])),
  };
  return { model, stream, maxTokens, shape, fields };
}
