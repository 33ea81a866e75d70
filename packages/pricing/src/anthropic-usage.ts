import type { Dimension, Usage } from '@tensorloop/contracts/usage';
import type { NormalisedUsage } from './openai-usage.js';

/** Usage of Anthropic's Messages API, as far as it is priced. Every field may be missing or, from a broken upstream, of any type. */
export interface AnthropicUsage {
  input_tokens?: unknown;
  cache_creation_input_tokens?: unknown;
  cache_read_input_tokens?: unknown;
  output_tokens?: unknown;
  output_tokens_details?: { thinking_tokens?: unknown } | null;
}

const TOKENS_MAX = 1_000_000_000;

function tokens(value: unknown): number | null {
  if (value === undefined || value === null) return 0;
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= TOKENS_MAX ? value : null;
}

function add(usage: Usage, dimension: Dimension, count: number): void {
  if (count > 0) usage[dimension] = (usage[dimension] ?? 0) + count;
}

/**
 * Turns Anthropic's usage into disjoint dimensions. Unlike OpenAI, Anthropic counts tokens read from and written to the
 * cache beside `input_tokens`, so nothing is subtracted on that side; thinking is counted inside `output_tokens`.
 *
 * `priced` is the set of dimensions the model's price version lists: what has no price of its own is ordinary input or
 * output, so that no token is free. Numbers that contradict each other give `nonsense`; the caller then estimates.
 */
export function normaliseAnthropicUsage(raw: AnthropicUsage, priced: ReadonlySet<Dimension>): NormalisedUsage {
  const counts = {
    input_tokens: tokens(raw.input_tokens),
    cache_creation_input_tokens: tokens(raw.cache_creation_input_tokens),
    cache_read_input_tokens: tokens(raw.cache_read_input_tokens),
    output_tokens: tokens(raw.output_tokens),
    thinking_tokens: tokens(raw.output_tokens_details?.thinking_tokens),
  };
  const bad = Object.entries(counts).find(([, count]) => count === null);
  if (bad) return { nonsense: `${bad[0]} is not a token count` };
  const count = counts as Record<keyof typeof counts, number>;
  if ((raw.input_tokens ?? null) === null || (raw.output_tokens ?? null) === null)
    return { nonsense: 'input_tokens and output_tokens are not both given' };
  if (count.thinking_tokens > count.output_tokens) {
    return { nonsense: `thinking_tokens (${count.thinking_tokens}) exceed output_tokens (${count.output_tokens})` };
  }
  const usage: Usage = {};
  const reasoning = priced.has('output_reasoning') ? count.thinking_tokens : 0;
  add(usage, 'input', count.input_tokens);
  add(usage, priced.has('input_cache_read') ? 'input_cache_read' : 'input', count.cache_read_input_tokens);
  add(usage, priced.has('input_cache_write') ? 'input_cache_write' : 'input', count.cache_creation_input_tokens);
  add(usage, 'output', count.output_tokens - reasoning);
  add(usage, 'output_reasoning', reasoning);
  return { usage };
}
