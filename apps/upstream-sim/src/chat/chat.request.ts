import type { CallRequest } from '../calls/calls.types.js';
import {
  type Body,
  integerField,
  isFailure,
  isObject,
  missing,
  outputLimit,
  readCommonFields,
  wrongType,
} from '../calls/request-fields.js';
import { Prompt, planTokens, type TokenPlan } from '../calls/token-plan.js';
import type { XSim } from '../faults/x-sim.js';
import { type Failure, invalidRequest } from '../server/openai-error.js';

/** What one chat completion will be answered with. */
export interface ChatPlan extends TokenPlan {
  model: string;
  stream: boolean;
  includeUsage: boolean;
  choices: number;
  seed: number;
  sim: XSim;
}

export const CHOICES_MAX = 128;

/** Decides the answer to a request body, or says as OpenAI would what is wrong with it. */
export function planChat({ bytes, deployment }: Pick<CallRequest, 'bytes' | 'deployment'>): ChatPlan | Failure {
  const fields = readCommonFields(bytes, deployment);
  if (isFailure(fields)) return fields;
  const { body, model, stream, sim } = fields;
  const { messages } = body;
  if (!Array.isArray(messages)) return missing('messages');
  if (messages.length === 0)
    return invalidRequest(
      "Invalid 'messages': empty array. Expected an array with minimum length 1.",
      'messages',
      'empty_array',
    );
  const choices = integerField(body, 'n', CHOICES_MAX);
  if (typeof choices === 'object') return choices;
  const limit = outputLimit(body, ['max_completion_tokens', 'max_tokens']);
  if (typeof limit === 'object') return limit;
  if (!messages.every(isObject)) return wrongType('messages', 'an array of objects');
  if (sim.toolCall && !hasTool(body.tools, sim.toolCall.name))
    return invalidRequest(`x_sim.toolCall: '${sim.toolCall.name}' is not among the tools`, 'x_sim');
  const prompt = readPrompt(model, messages);
  const tokens = planTokens(sim, prompt, { limit, bodyBytes: bytes.length });
  if (isFailure(tokens)) return tokens;
  const includeUsage = (body.stream_options as Body | undefined | null)?.include_usage === true;
  return { model, stream, includeUsage, choices: choices ?? 1, ...tokens, seed: prompt.hash, sim };
}

function hasTool(tools: unknown, name: string): boolean {
  return Array.isArray(tools) && tools.some((tool) => isObject(tool) && isObject(tool.function) && tool.function.name === name);
}

function readPrompt(model: string, messages: Body[]): Prompt {
  const prompt = new Prompt(model);
  for (const { content } of messages) {
    if (typeof content === 'string') prompt.add(content);
    else if (Array.isArray(content)) {
      for (const part of content) {
        const text: unknown = (part as Body | null)?.text;
        if (typeof text === 'string') prompt.add(text);
      }
    }
  }
  return prompt;
}
