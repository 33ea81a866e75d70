import { crc32 } from 'node:zlib';
import { parseXSim, type XSim } from '../faults/x-sim.js';
import { type Failure, invalidRequest } from '../server/openai-error.js';

/** What one call will be answered with, decided wholly from its body: the same body always gives the same answer. */
export interface ChatPlan {
  model: string;
  stream: boolean;
  includeUsage: boolean;
  choices: number;
  promptTokens: number;
  cachedTokens: number;
  /** Of each choice, after max tokens. Includes reasoning. */
  completionTokens: number;
  /** Of each choice. */
  reasoningTokens: number;
  finishReason: 'stop' | 'length';
  seed: number;
  sim: XSim;
}

const CHOICES_MAX = 128;
const MODEL_LENGTH_MAX = 256;
/** Default answers are 8 to 127 tokens long, as the hash of the prompt has it. */
const DEFAULT_TOKENS_MIN = 8;
const DEFAULT_TOKENS_SPREAD = 120;
const BYTES_PER_TOKEN = 4;

type Body = Record<string, unknown>;

/** Decides the answer to a request body, or says as OpenAI would what is wrong with it. */
export function planChat(bytes: Buffer): ChatPlan | Failure {
  const body = parseObject(bytes);
  if (!body) return invalidRequest('We could not parse the JSON body of your request.', null);
  const { model, stream, messages } = body;
  if (typeof model !== 'string' || model === '') return invalidRequest('you must provide a model parameter', 'model');
  if (model.length > MODEL_LENGTH_MAX) return invalidRequest(`'model' is longer than ${MODEL_LENGTH_MAX} characters.`, 'model');
  if (!Array.isArray(messages))
    return invalidRequest("Missing required parameter: 'messages'.", 'messages', 'missing_required_parameter');
  if (messages.length === 0)
    return invalidRequest(
      "Invalid 'messages': empty array. Expected an array with minimum length 1.",
      'messages',
      'empty_array',
    );
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean') return wrongType('stream', 'a boolean');
  const choices = integerField(body, 'n', CHOICES_MAX);
  if (typeof choices === 'object') return choices;
  const limit = outputLimit(body);
  if (typeof limit === 'object') return limit;
  const parsed = parseXSim(body.x_sim);
  if ('problem' in parsed) return invalidRequest(parsed.problem, 'x_sim');
  const prompt = readPrompt(model, messages);
  if (prompt === null) return wrongType('messages', 'an array of objects');

  const tokens = countTokens(parsed.sim, prompt, limit);
  const problem =
    contradiction(parsed.sim, tokens, bytes.length) ??
    (parsed.sim.fault === 'cut_json' && stream ? 'fault "cut_json" needs a call that is not streamed' : null);
  if (problem !== null) return invalidRequest(`x_sim: ${problem}`, 'x_sim');
  return {
    model,
    stream: stream === true,
    includeUsage: (body.stream_options as Body | undefined | null)?.include_usage === true,
    choices: choices ?? 1,
    ...tokens,
    seed: prompt.hash,
    sim: parsed.sim,
  };
}

function parseObject(bytes: Buffer): Body | null {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Body) : null;
  } catch {
    return null;
  }
}

function wrongType(param: string, expected: string): Failure {
  return invalidRequest(`Invalid type for '${param}': expected ${expected}.`, param, 'invalid_type');
}

/** undefined = not given. */
function integerField(body: Body, param: string, max: number): number | undefined | Failure {
  const value = body[param];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value)) return wrongType(param, 'an integer');
  if (value < 1) {
    return invalidRequest(
      `Invalid '${param}': integer below minimum value. Expected a value >= 1, but got ${value} instead.`,
      param,
      'integer_below_min_value',
    );
  }
  if (value > max) {
    return invalidRequest(
      `Invalid '${param}': integer above maximum value. Expected a value <= ${max}, but got ${value} instead.`,
      param,
      'integer_above_max_value',
    );
  }
  return value;
}

/** The smaller of the two fields that bound the output, or Infinity. */
function outputLimit(body: Body): number | Failure {
  let limit = Number.POSITIVE_INFINITY;
  for (const param of ['max_completion_tokens', 'max_tokens']) {
    const value = integerField(body, param, Number.MAX_SAFE_INTEGER);
    if (typeof value === 'object') return value;
    if (value !== undefined) limit = Math.min(limit, value);
  }
  return limit;
}

interface Prompt {
  textBytes: number;
  hash: number;
}

/** Bytes and hash of the text in the messages; null when a message is no object. */
function readPrompt(model: string, messages: unknown[]): Prompt | null {
  let textBytes = 0;
  let hash = crc32(model);
  const add = (text: string) => {
    textBytes += Buffer.byteLength(text);
    hash = crc32(text, hash);
  };
  for (const message of messages) {
    if (typeof message !== 'object' || message === null) return null;
    const { content } = message as Body;
    if (typeof content === 'string') add(content);
    else if (Array.isArray(content)) {
      for (const part of content) {
        const text: unknown = (part as Body | null)?.text;
        if (typeof text === 'string') add(text);
      }
    }
  }
  return { textBytes, hash };
}

type Tokens = Pick<ChatPlan, 'promptTokens' | 'cachedTokens' | 'completionTokens' | 'reasoningTokens' | 'finishReason'>;

function countTokens(sim: XSim, prompt: Prompt, limit: number): Tokens {
  const wanted = sim.completionTokens ?? DEFAULT_TOKENS_MIN + (prompt.hash % DEFAULT_TOKENS_SPREAD);
  const bound = sim.fault === 'ignore_max_tokens' ? Number.POSITIVE_INFINITY : limit;
  const completionTokens = Math.min(wanted, bound);
  const reasoning = sim.reasoningTokens ?? 0;
  return {
    promptTokens: sim.promptTokens ?? Math.max(1, Math.ceil(prompt.textBytes / BYTES_PER_TOKEN)),
    cachedTokens: sim.cachedTokens ?? 0,
    completionTokens,
    // A limit that cuts an answer short cuts what comes last, and reasoning comes first.
    reasoningTokens: wanted > bound ? Math.min(reasoning, bound) : reasoning,
    finishReason: wanted > bound ? 'length' : 'stop',
  };
}

/** What a real provider could never report. */
function contradiction(sim: XSim, tokens: Tokens, bodyBytes: number): string | null {
  if (tokens.promptTokens > bodyBytes) {
    return `promptTokens is ${tokens.promptTokens}, but a body of ${bodyBytes} bytes holds at most ${bodyBytes} tokens: pad the prompt`;
  }
  if (tokens.cachedTokens > tokens.promptTokens)
    return `cachedTokens (${tokens.cachedTokens}) exceeds the prompt's ${tokens.promptTokens} tokens`;
  if (tokens.reasoningTokens > tokens.completionTokens) {
    return `reasoningTokens (${sim.reasoningTokens}) exceeds the completion's ${tokens.completionTokens} tokens`;
  }
  return null;
}
