import type { Usage } from '@tensorloop/contracts/usage';
import type { TraceRow } from './trace.js';

/** What a row of the trace is sent as, and what must come back. Decided by the row and its number alone. */
export interface CallPlan {
  keyIndex: number;
  model: string;
  stream: boolean;
  /** Streams only: whether the caller asks for the usage event. The gateway meters either way. */
  includeUsage: boolean;
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  reasoningTokens: number;
  /** Sent as max_completion_tokens; null = not sent. */
  maxTokens: number | null;
}

/** Models with a context window that holds the longest prompt of the trace at one token a byte. */
export const REPLAY_MODELS = ['gpt-4o-mini', 'gpt-4o', 'llama-3.3-70b', 'deepseek-r1-distill-70b'] as const;
export const REPLAY_KEYS = 8;
/** The last key carries few calls, so that a short poll of its activity sees each of them soon after its end. */
export const PROBE_KEY = REPLAY_KEYS - 1;
const PROBE_EVERY = 25;

/** English text as OpenAI's tokenizers see it. The bytes bound the tokens that may be reported. */
const BYTES_PER_TOKEN = 4;
const PROMPT_BYTES_MIN = 64;
const CACHED_EVERY = 3;
const REASONING_EVERY = 5;
const MAX_TOKENS_EVERY = 2;
const USAGE_EVENT_EVERY = 2;
/** Of 100 rows in a row, as many are streamed as the share says. Coprime to 100, so that they are spread evenly. */
const STREAM_STRIDE = 37;

export function planCall(row: TraceRow, index: number, streamShare: number): CallPlan {
  const stream = (index * STREAM_STRIDE) % 100 < Math.round(streamShare * 100);
  const group = Math.floor(index / 2);
  return {
    keyIndex: index % PROBE_EVERY === 0 ? PROBE_KEY : index % PROBE_KEY,
    model: REPLAY_MODELS[(index * 7 + group) % REPLAY_MODELS.length] as string,
    stream,
    includeUsage: stream && group % USAGE_EVENT_EVERY === 0,
    promptTokens: row.contextTokens,
    cachedTokens: index % CACHED_EVERY === 0 ? Math.floor(row.contextTokens / 2) : 0,
    completionTokens: row.generatedTokens,
    reasoningTokens: index % REASONING_EVERY === 0 ? Math.floor(row.generatedTokens / 4) : 0,
    // At least 1, as the wire wants it; a trace may hold answers without a token.
    maxTokens: group % MAX_TOKENS_EVERY === 0 ? Math.max(1, row.generatedTokens) : null,
  };
}

const FILLER = 'The replay pads each prompt so that its bytes allow the tokens that were counted in production. ';
let filler = FILLER;

/** Text of at least `bytes` characters, cut to it: a slice of one string that only grows. */
function promptText(bytes: number): string {
  while (filler.length < bytes) filler += filler;
  return filler.slice(0, bytes);
}

/** The JSON body of a chat completion. */
export function callBody(plan: CallPlan): string {
  return JSON.stringify({
    model: plan.model,
    messages: [{ role: 'user', content: promptText(Math.max(PROMPT_BYTES_MIN, plan.promptTokens * BYTES_PER_TOKEN)) }],
    ...(plan.maxTokens === null ? {} : { max_completion_tokens: plan.maxTokens }),
    ...(plan.stream ? { stream: true } : {}),
    ...(plan.includeUsage ? { stream_options: { include_usage: true } } : {}),
    x_sim: {
      promptTokens: plan.promptTokens,
      cachedTokens: plan.cachedTokens,
      completionTokens: plan.completionTokens,
      reasoningTokens: plan.reasoningTokens,
    },
  });
}

/** What metering must have booked for the call, in disjoint dimensions; zeros left out. */
export function plannedUsage(plan: CallPlan): Usage {
  const usage: Usage = {
    input: plan.promptTokens - plan.cachedTokens,
    input_cache_read: plan.cachedTokens,
    output: plan.completionTokens - plan.reasoningTokens,
    output_reasoning: plan.reasoningTokens,
  };
  return withoutZeros(usage);
}

export function withoutZeros(usage: Usage): Usage {
  return Object.fromEntries(Object.entries(usage).filter(([, quantity]) => quantity !== 0)) as Usage;
}
