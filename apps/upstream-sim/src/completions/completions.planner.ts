import { answerText } from '../calls/answer-text.js';
import type { Call } from '../calls/call.js';
import type { CallPlan, CallRequest, EndpointPlanner } from '../calls/calls.types.js';
import { type Body, integerField, isFailure, outputLimit, readCommonFields, wrongType } from '../calls/request-fields.js';
import { answerStream, type TokenSpan } from '../calls/stream-answer.js';
import { Prompt, planTokens, type TokenPlan } from '../calls/token-plan.js';
import { answerWhole } from '../calls/whole-answer.js';
import type { XSim } from '../faults/x-sim.js';
import { type Failure, failureBody, invalidRequest } from '../server/openai-error.js';

const CHOICES_MAX = 128;
/** OpenAI's own default of this endpoint. */
const TOKENS_DEFAULT = 16;

interface CompletionPlan extends TokenPlan {
  model: string;
  stream: boolean;
  includeUsage: boolean;
  /** Made; the client sees the first `shown` of them. */
  choices: number;
  shown: number;
  seed: number;
  sim: XSim;
}

/** The completions of before chat: a prompt, and what comes after it. */
export const completionsPlanner: EndpointPlanner = {
  endpoint: 'completions',
  failureBody,
  plan(request: CallRequest): CallPlan | Failure {
    const plan = planCompletion(request);
    if (isFailure(plan)) return plan;
    const { model, stream, sim } = plan;
    return { model, stream, sim, answer: (call) => answer(call, plan) };
  },
};

function planCompletion({ bytes, deployment }: CallRequest): CompletionPlan | Failure {
  const fields = readCommonFields(bytes, deployment);
  if (isFailure(fields)) return fields;
  const { body, model, stream, sim } = fields;
  const n = integerField(body, 'n', CHOICES_MAX);
  if (typeof n === 'object') return n;
  const bestOf = integerField(body, 'best_of', CHOICES_MAX);
  if (typeof bestOf === 'object') return bestOf;
  const shown = n ?? 1;
  if (bestOf !== undefined && bestOf < shown) return invalidRequest("'best_of' must be at least 'n'.", 'best_of');
  if (bestOf !== undefined && bestOf > shown && stream) return invalidRequest("'best_of' cannot be streamed.", 'best_of');
  const given = outputLimit(body, ['max_tokens']);
  if (typeof given === 'object') return given;
  const limit = given === Number.POSITIVE_INFINITY ? TOKENS_DEFAULT : given;
  const prompts = readPrompts(body.prompt ?? '');
  if (isFailure(prompts)) return prompts;
  const prompt = new Prompt(model);
  for (const one of prompts) {
    if (typeof one === 'string') prompt.add(one);
    else prompt.addTokens(one);
  }
  const tokens = planTokens(sim, prompt, { limit, bodyBytes: bytes.length });
  if (isFailure(tokens)) return tokens;
  const includeUsage = (body.stream_options as Body | undefined | null)?.include_usage === true;
  const count = prompts.length;
  const choices = (bestOf ?? shown) * count;
  return { model, stream, includeUsage, ...tokens, choices, shown: shown * count, seed: prompt.hash, sim };
}

/** A text, texts, tokens, or lists of tokens: each prompt gets its own choices. */
function readPrompts(prompt: unknown): (string | number[])[] | Failure {
  if (typeof prompt === 'string') return [prompt];
  const isTokens = (value: unknown): value is number[] =>
    Array.isArray(value) && value.every((token) => Number.isInteger(token));
  if (isTokens(prompt) && prompt.length > 0) return [prompt];
  if (!Array.isArray(prompt) || prompt.length === 0 || prompt.length > CHOICES_MAX)
    return wrongType('prompt', 'a string or an array');
  if (!prompt.every((one) => typeof one === 'string' || isTokens(one))) return wrongType('prompt', 'strings or token numbers');
  return prompt as (string | number[])[];
}

function answer(call: Call, plan: CompletionPlan): Promise<void> {
  call.serveTokens(plan, plan.choices);
  const head = {
    id: `cmpl-${call.id}`,
    object: 'text_completion',
    created: Math.floor(call.record.startedAtMs / 1_000),
    model: plan.model,
  };
  const reportsUsage = plan.sim.fault !== 'no_usage';
  const indexes = Array.from({ length: plan.shown }, (_, index) => index);
  const choice = (index: number, span: TokenSpan, finishReason: string | null) => ({
    text: answerText(plan.seed + index, span.from, span.to),
    index,
    logprobs: null,
    finish_reason: finishReason,
  });
  const { sim, completionTokens, reasoningTokens } = plan;
  const all = { from: reasoningTokens, to: completionTokens };
  if (!plan.stream) {
    const choices = indexes.map((index) => choice(index, all, plan.finishReason));
    const body = JSON.stringify({ ...head, choices, ...(reportsUsage ? { usage: usage(plan) } : {}) });
    return answerWhole(call, { sim, contentType: 'application/json', body, hasUsage: reportsUsage });
  }
  const hasUsage = plan.includeUsage && reportsUsage;
  const event = (fields: object) => `data: ${JSON.stringify({ ...head, ...fields })}\n\n`;
  const each = (span: TokenSpan, finishReason: string | null) =>
    indexes.map((index) => event({ choices: [choice(index, span, finishReason)] })).join('');
  return answerStream(call, {
    sim,
    completionTokens,
    reasoningTokens,
    choices: plan.choices,
    opening: () => '',
    chunk: (span) => each(span, null),
    ending: () => each({ from: 0, to: 0 }, plan.finishReason) + (hasUsage ? event({ choices: [], usage: usage(plan) }) : ''),
    done: 'data: [DONE]\n\n',
    hasUsage,
  });
}

function usage(plan: CompletionPlan): object {
  const completion = plan.completionTokens * plan.choices;
  return {
    prompt_tokens: plan.promptTokens,
    completion_tokens: completion,
    total_tokens: plan.promptTokens + completion,
    prompt_tokens_details: { cached_tokens: plan.cachedTokens },
    completion_tokens_details: { reasoning_tokens: plan.reasoningTokens * plan.choices },
  };
}
