import type { CallRequest } from '../calls/calls.types.js';
import { type Body, isFailure, isObject, outputLimit, readCommonFields } from '../calls/request-fields.js';
import { Prompt, planInputTokens, planTokens, type TokenPlan } from '../calls/token-plan.js';
import type { XSim } from '../faults/x-sim.js';
import { type Failure, invalidRequest } from '../server/openai-error.js';

/** What one message will be. */
export interface MessagePlan extends TokenPlan {
  model: string;
  stream: boolean;
  sim: XSim;
  seed: number;
}

interface ReadMessage {
  body: Body;
  model: string;
  stream: boolean;
  sim: XSim;
  prompt: Prompt;
}

export function planMessage(request: CallRequest): MessagePlan | Failure {
  const read = readMessage(request);
  if (isFailure(read)) return read;
  const { body, model, stream, sim, prompt } = read;
  if (body.max_tokens === undefined) return invalidRequest('max_tokens: Field required', 'max_tokens');
  const limit = outputLimit(body, ['max_tokens']);
  if (typeof limit === 'object') return limit;
  const tokens = planTokens(sim, prompt, { limit, bodyBytes: request.bytes.length });
  return isFailure(tokens) ? tokens : { model, stream, sim, ...tokens, seed: prompt.hash };
}

/** Of `count_tokens`: the tokens that a call with these messages would read. */
export function countInputTokens(request: CallRequest): number | Failure {
  const read = readMessage(request);
  if (isFailure(read)) return read;
  const tokens = planInputTokens(read.sim, read.prompt, request.bytes.length);
  return isFailure(tokens) ? tokens : tokens.promptTokens;
}

function readMessage({ bytes, headers }: CallRequest): ReadMessage | Failure {
  if (!headers['anthropic-version']) return invalidRequest('anthropic-version: header is required', null);
  const fields = readCommonFields(bytes);
  if (isFailure(fields)) return fields;
  const { messages, system } = fields.body;
  if (!Array.isArray(messages)) return invalidRequest('messages: Field required', 'messages');
  if (messages.length === 0) return invalidRequest('messages: at least one message is required', 'messages');
  if (!messages.every(isObject)) return invalidRequest('messages: Input should be a valid dictionary', 'messages');
  const prompt = new Prompt(fields.model);
  prompt.addTexts(system);
  prompt.addTexts(messages);
  return { ...fields, prompt };
}
