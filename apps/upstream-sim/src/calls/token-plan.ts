import { crc32 } from 'node:zlib';
import type { XSim } from '../faults/x-sim.js';
import { type Failure, invalidRequest } from '../server/openai-error.js';

/** Tokens of one call, decided before the first byte of the answer. */
export interface TokenPlan {
  /** Everything read, cached tokens and those written to the cache included. */
  promptTokens: number;
  cachedTokens: number;
  cacheWriteTokens: number;
  /** Of each choice, after max tokens. Includes reasoning. */
  completionTokens: number;
  /** Of each choice. */
  reasoningTokens: number;
  finishReason: 'stop' | 'length';
}

/** Default answers are 8 to 127 tokens long, as the hash of the prompt has it. */
const DEFAULT_TOKENS_MIN = 8;
const DEFAULT_TOKENS_SPREAD = 120;
const BYTES_PER_TOKEN = 4;

/** Size and hash of the text of a prompt: what is answered depends on nothing else. */
export class Prompt {
  hash: number;
  private textBytes = 0;
  private tokens = 0;

  constructor(model: string) {
    this.hash = crc32(model);
  }

  add(text: string): void {
    this.textBytes += Buffer.byteLength(text);
    this.hash = crc32(text, this.hash);
  }

  /** Text that arrives as token numbers already. */
  addTokens(tokens: number[]): void {
    this.tokens += tokens.length;
    this.hash = crc32(tokens.join(), this.hash);
  }

  /** Adds all strings under `text` keys, and bare strings, wherever they are in `value`. Without recursion: bodies may be deep. */
  addTexts(value: unknown): void {
    const waiting: unknown[] = [value];
    while (waiting.length > 0) {
      const next = waiting.pop();
      if (typeof next === 'string') this.add(next);
      else if (Array.isArray(next)) for (let index = next.length - 1; index >= 0; index--) waiting.push(next[index]);
      else if (typeof next === 'object' && next !== null) {
        const { text, content } = next as { text?: unknown; content?: unknown };
        if (typeof text === 'string') this.add(text);
        if (content !== undefined) waiting.push(content);
      }
    }
  }

  get tokenCount(): number {
    return Math.max(1, Math.ceil(this.textBytes / BYTES_PER_TOKEN) + this.tokens);
  }
}

/** The tokens of a call, or what contradicts itself in its instructions. `bodyBytes` bounds what a prompt can hold. */
export function planTokens(
  sim: XSim,
  prompt: Prompt,
  { limit, bodyBytes }: { limit: number; bodyBytes: number },
): TokenPlan | Failure {
  const wanted = sim.completionTokens ?? DEFAULT_TOKENS_MIN + (prompt.hash % DEFAULT_TOKENS_SPREAD);
  const bound = sim.fault === 'ignore_max_tokens' ? Number.POSITIVE_INFINITY : limit;
  const reasoning = sim.reasoningTokens ?? 0;
  const plan: TokenPlan = {
    promptTokens: sim.promptTokens ?? prompt.tokenCount,
    cachedTokens: sim.cachedTokens ?? 0,
    cacheWriteTokens: sim.cacheWriteTokens ?? 0,
    completionTokens: Math.min(wanted, bound),
    // A limit that cuts an answer short cuts what comes last, and reasoning comes first.
    reasoningTokens: wanted > bound ? Math.min(reasoning, bound) : reasoning,
    finishReason: wanted > bound ? 'length' : 'stop',
  };
  const problem = contradiction(plan, bodyBytes);
  return problem === null ? plan : invalidRequest(`x_sim: ${problem}`, 'x_sim');
}

/** For endpoints that answer with no tokens of their own. */
export function planInputTokens(sim: XSim, prompt: Prompt, bodyBytes: number): TokenPlan | Failure {
  if (sim.completionTokens) return invalidRequest('x_sim: this endpoint makes no completion tokens', 'x_sim');
  return planTokens({ ...sim, completionTokens: 0 }, prompt, { limit: Number.POSITIVE_INFINITY, bodyBytes });
}

/** What a real provider could never report. */
function contradiction(tokens: TokenPlan, bodyBytes: number): string | null {
  if (tokens.promptTokens > bodyBytes) {
    return `promptTokens is ${tokens.promptTokens}, but a body of ${bodyBytes} bytes holds at most ${bodyBytes} tokens: pad the prompt`;
  }
  if (tokens.cachedTokens > tokens.promptTokens)
    return `cachedTokens (${tokens.cachedTokens}) exceeds the prompt's ${tokens.promptTokens} tokens`;
  if (tokens.cachedTokens + tokens.cacheWriteTokens > tokens.promptTokens)
    return `cachedTokens and cacheWriteTokens (${tokens.cacheWriteTokens}) exceed the prompt's ${tokens.promptTokens} tokens`;
  if (tokens.reasoningTokens > tokens.completionTokens) {
    return `reasoningTokens (${tokens.reasoningTokens}) exceeds the completion's ${tokens.completionTokens} tokens`;
  }
  return null;
}
