import type { CallRequest } from '../calls/calls.types.js';
import { isFailure, missing, outputLimit, readCommonFields, wrongType } from '../calls/request-fields.js';
import { Prompt, planTokens, type TokenPlan } from '../calls/token-plan.js';
import type { XSim } from '../faults/x-sim.js';
import { type Failure, invalidRequest } from '../server/openai-error.js';

/** What one response will be. */
export interface ResponsePlan extends TokenPlan {
  model: string;
  stream: boolean;
  sim: XSim;
  seed: number;
  /** Fields of the request that OpenAI repeats in the answer. */
  echoed: Record<string, unknown>;
}

/** Fields that are repeated in the answer may nest this deep; far more is beyond the stack of whoever writes them as JSON. */
const NESTING_MAX = 256;

const DEFAULTS: Record<string, unknown> = {
  instructions: null,
  max_output_tokens: null,
  metadata: {},
  parallel_tool_calls: true,
  previous_response_id: null,
  temperature: 1,
  tool_choice: 'auto',
  tools: [],
  top_p: 1,
};

export function planResponse({ bytes, deployment }: CallRequest): ResponsePlan | Failure {
  const fields = readCommonFields(bytes, deployment);
  if (isFailure(fields)) return fields;
  const { body, model, stream, sim } = fields;
  const { input, instructions } = body;
  if (input === undefined || input === null) return missing('input');
  if (typeof input !== 'string' && !Array.isArray(input)) return wrongType('input', 'a string or an array');
  const limit = outputLimit(body, ['max_output_tokens']);
  if (typeof limit === 'object') return limit;
  const prompt = new Prompt(model);
  prompt.addTexts(instructions);
  prompt.addTexts(input);
  const tokens = planTokens(sim, prompt, { limit, bodyBytes: bytes.length });
  if (isFailure(tokens)) return tokens;
  const echoed = Object.fromEntries(Object.entries(DEFAULTS).map(([name, fallback]) => [name, body[name] ?? fallback]));
  if (isDeeperThan(echoed, NESTING_MAX)) return invalidRequest(`The body is nested deeper than ${NESTING_MAX} levels.`, null);
  return { model, stream, sim, ...tokens, seed: prompt.hash, echoed };
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((part) => isDeeperThan(part, levels - 1));
}
