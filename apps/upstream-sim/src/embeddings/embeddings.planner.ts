import type { Call } from '../calls/call.js';
import type { CallPlan, CallRequest, EndpointPlanner } from '../calls/calls.types.js';
import { integerField, isFailure, missing, readCommonFields, wrongType } from '../calls/request-fields.js';
import { Prompt, planInputTokens, type TokenPlan } from '../calls/token-plan.js';
import { answerWhole } from '../calls/whole-answer.js';
import type { XSim } from '../faults/x-sim.js';
import { type Failure, failureBody, invalidRequest } from '../server/openai-error.js';
import { unitVector } from './unit-vector.js';

const DIMENSIONS_DEFAULT = 8;
const DIMENSIONS_MAX = 3_072;
const INPUTS_MAX = 2_048;

interface EmbeddingsPlan extends TokenPlan {
  model: string;
  sim: XSim;
  seeds: number[];
  dimensions: number;
  isBase64: boolean;
}

export const embeddingsPlanner: EndpointPlanner = {
  endpoint: 'embeddings',
  failureBody,
  plan(request: CallRequest): CallPlan | Failure {
    const plan = planEmbeddings(request);
    if (isFailure(plan)) return plan;
    return { model: plan.model, stream: false, sim: plan.sim, answer: (call) => answer(call, plan) };
  },
};

function planEmbeddings({ bytes, deployment }: CallRequest): EmbeddingsPlan | Failure {
  const fields = readCommonFields(bytes, deployment);
  if (isFailure(fields)) return fields;
  const { body, model, sim } = fields;
  const format = body.encoding_format ?? 'float';
  if (format !== 'float' && format !== 'base64')
    return invalidRequest("Invalid 'encoding_format': expected 'float' or 'base64'.", 'encoding_format');
  const dimensions = integerField(body, 'dimensions', DIMENSIONS_MAX);
  if (typeof dimensions === 'object') return dimensions;
  const inputs = readInputs(body.input);
  if (isFailure(inputs)) return inputs;
  const prompt = new Prompt(model);
  const seeds = inputs.map((input) => {
    addInput(prompt, input);
    const own = new Prompt(model);
    addInput(own, input);
    return own.hash;
  });
  const tokens = planInputTokens(sim, prompt, bytes.length);
  if (isFailure(tokens)) return tokens;
  return { ...tokens, model, sim, seeds, dimensions: dimensions ?? DIMENSIONS_DEFAULT, isBase64: format === 'base64' };
}

type Input = string | number[];

/** A text, texts, tokens, or lists of tokens. */
function readInputs(input: unknown): Input[] | Failure {
  if (input === undefined || input === null) return missing('input');
  if (typeof input === 'string') return [input];
  if (!Array.isArray(input)) return wrongType('input', 'a string or an array');
  if (input.length === 0) return invalidRequest("Invalid 'input': empty array.", 'input', 'empty_array');
  if (input.length > INPUTS_MAX && typeof input[0] !== 'number')
    return invalidRequest(`Invalid 'input': more than ${INPUTS_MAX} inputs.`, 'input', 'array_above_max_length');
  if (isTokens(input)) return [input];
  if (!input.every((one) => typeof one === 'string' || isTokens(one))) return wrongType('input', 'strings or token numbers');
  return input as Input[];
}

function isTokens(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((token) => Number.isInteger(token));
}

function addInput(prompt: Prompt, input: Input): void {
  if (typeof input === 'string') prompt.add(input);
  else prompt.addTokens(input);
}

function answer(call: Call, plan: EmbeddingsPlan): Promise<void> {
  call.serveTokens(plan, 1);
  const hasUsage = plan.sim.fault !== 'no_usage';
  const data = plan.seeds.map((seed, index) => {
    const vector = unitVector(seed, plan.dimensions);
    const embedding = plan.isBase64 ? Buffer.from(vector.buffer).toString('base64') : [...vector];
    return { object: 'embedding', index, embedding };
  });
  const usage = hasUsage ? { usage: { prompt_tokens: plan.promptTokens, total_tokens: plan.promptTokens } } : {};
  const body = JSON.stringify({ object: 'list', data, model: plan.model, ...usage });
  return answerWhole(call, { sim: plan.sim, contentType: 'application/json', body, hasUsage });
}
