import type { CallShape } from '@tensorloop/pricing/hold';
import {
  type Fields,
  invalidField,
  isGiven,
  isRecord,
  missingField,
  parseFields,
  readFlag,
  readModel,
} from '../body/json-body.types.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import { cacheProblem, type MessagesContent, readBlocks, readTools, unsupported } from './messages-content.js';

/** What the gateway needs to know of a Messages request. Everything else passes through unread. */
export interface MessagesRequest {
  model: string;
  stream: boolean;
  /** The most output tokens it can be charged for; null when it only counts. */
  maxTokens: number | null;
  shape: CallShape;
  fields: Fields;
}

/** The provider's own prompt for a tool that it knows (computer, editor, shell), at worst. */
const CLIENT_TOOL_BYTES = 4_096;
/** Fields by which the provider adds what the gateway cannot see, or charges what the price book does not know. */
const PRICED_FIELDS: Record<string, string> = {
  mcp_servers: 'Tools run by the provider have prices of their own.',
  container: 'Containers have a price of their own.',
  fallbacks: 'Models that the provider falls back on have prices of their own.',
  fallback_credit_token: 'Models that the provider falls back on have prices of their own.',
  compaction: 'A conversation compacted by the provider is charged beyond the output limit.',
  thread: 'Conversations stored by the provider belong to all who share its credentials.',
  billing_policy: 'Who is billed is decided by the gateway.',
};
/** Fields with a value that costs nothing extra. */
const PLAIN_VALUES: Record<string, readonly string[]> = { speed: ['standard'], inference_geo: ['global'] };
/** Betas with a price of their own: prompts beyond the usual window, and faster output. */
const PRICED_BETAS = /^(context-1m|fast-mode)-/;

function positive(value: unknown, param: string): number | ApiError {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1
    ? value
    : invalidField(param, `"${param}" must be a positive integer.`);
}

/** Interleaved thinking may spend its own budget above `max_tokens`: the larger of the two is held for. */
function readMaxTokens({ max_tokens: maxTokens, thinking }: Fields): number | ApiError {
  if (!isGiven(maxTokens)) return missingField('max_tokens');
  const limit = positive(maxTokens, 'max_tokens');
  if (isApiError(limit) || !isRecord(thinking) || !isGiven(thinking.budget_tokens)) return limit;
  const budget = positive(thinking.budget_tokens, 'thinking.budget_tokens');
  return isApiError(budget) ? budget : Math.max(limit, budget);
}

function readMessages({ messages }: Fields): Fields[] | ApiError {
  if (messages === undefined) return missingField('messages');
  if (!Array.isArray(messages) || messages.length === 0)
    return invalidField('messages', '"messages" must be an array with at least one message.');
  const odd = messages.findIndex((message) => !isRecord(message));
  return odd === -1 ? messages : invalidField(`messages[${odd}]`, `"messages[${odd}]" must be an object.`);
}

function pricedField(fields: Fields): ApiError | null {
  for (const [name, reason] of Object.entries(PRICED_FIELDS)) {
    if (isGiven(fields[name])) return unsupported(name, `"${name}" is not served here. ${reason}`);
  }
  for (const [name, values] of Object.entries(PLAIN_VALUES)) {
    if (isGiven(fields[name]) && !values.includes(String(fields[name])))
      return unsupported(name, `"${name}" must be "${values.join('" or "')}": anything else has a price of its own.`);
  }
  const management = fields.context_management;
  const edits = isRecord(management) && Array.isArray(management.edits) ? management.edits : [];
  const compacts = edits.some((edit) => isRecord(edit) && String(edit.type).startsWith('compact'));
  return compacts
    ? unsupported('context_management.edits', `"context_management.edits": ${PRICED_FIELDS.compaction}`)
    : cacheProblem(fields, '');
}

function readContent(fields: Fields, messages: Fields[]): MessagesContent | ApiError {
  const content: MessagesContent = { images: 0, isUnbounded: false, imageBytes: 0, clientTools: 0 };
  const problem = pricedField(fields) ?? readTools(content, fields.tools) ?? readBlocks(content, fields.system, 'system');
  if (problem !== null) return problem;
  for (const [index, message] of messages.entries()) {
    const inMessage = readBlocks(content, message.content, `messages[${index}].content`);
    if (inMessage !== null) return inMessage;
  }
  return content;
}

/**
 * Reads and checks a Messages body. `max_tokens` is required by this API, so every hold is exact and nothing is ever clamped;
 * counting tokens needs none. Unknown fields go upstream as they came.
 */
export function readMessagesRequest(body: Buffer, purpose: 'create' | 'count' = 'create'): MessagesRequest | ApiError {
  const parsed = parseFields(body);
  if (isApiError(parsed)) return parsed;
  const { fields } = parsed;
  const model = readModel(fields);
  if (isApiError(model)) return model;
  const maxTokens = purpose === 'count' ? null : readMaxTokens(fields);
  if (isApiError(maxTokens)) return maxTokens;
  const messages = readMessages(fields);
  if (!Array.isArray(messages)) return messages;
  const stream = readFlag(fields, 'stream');
  if (isApiError(stream)) return stream;
  const content = readContent(fields, messages);
  if (isApiError(content)) return content;
  return {
    model,
    stream,
    maxTokens,
    shape: {
      promptBytes: body.length - content.imageBytes + content.clientTools * CLIENT_TOOL_BYTES,
      messages: messages.length,
      images: content.images,
      isInputUnbounded: content.isUnbounded,
    },
    fields,
  };
}

/** Betas that change what a token costs cannot be held for; all others are the provider's affair. */
export function betaProblem(betas: string | undefined): ApiError | null {
  const priced = (betas ?? '').split(',').find((beta) => PRICED_BETAS.test(beta.trim()));
  return priced === undefined
    ? null
    : unsupported('anthropic-beta', `The beta "${priced.trim().slice(0, 64)}" has prices of its own and is not served here.`);
}
