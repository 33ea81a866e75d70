import type { Dimension, Usage } from '@tensorloop/contracts/usage';

/** OpenAI's usage object, as far as it is priced. Every field may be missing or, from a broken upstream, of any type. */
export interface OpenAiUsage {
  prompt_tokens?: unknown;
  completion_tokens?: unknown;
  prompt_tokens_details?: { cached_tokens?: unknown; cache_write_tokens?: unknown; audio_tokens?: unknown } | null;
  completion_tokens_details?: { reasoning_tokens?: unknown; audio_tokens?: unknown } | null;
}

export type NormalisedUsage = { usage: Usage } | { nonsense: string };

const TOKENS_MAX = 1_000_000_000;

/** Token counts by the name of their field. */
interface Counts {
  prompt_tokens: number;
  completion_tokens: number;
  cached_tokens: number;
  cache_write_tokens: number;
  input_audio_tokens: number;
  reasoning_tokens: number;
  output_audio_tokens: number;
}

/** Absent and null are 0, as OpenAI leaves out what does not apply; null is returned for anything that is no token count. */
function tokens(value: unknown): number | null {
  if (value === undefined || value === null) return 0;
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= TOKENS_MAX ? value : null;
}

/** Writes a part down, and says how much of its whole it takes. */
function take(usage: Usage, dimension: Dimension, count: number): number {
  if (count > 0) usage[dimension] = count;
  return count;
}

/** The parts first, then what is left of their wholes; a part that has no price of its own stays inside its whole. */
function disjoint(count: Counts, priced: ReadonlySet<Dimension>): Usage {
  const usage: Usage = {};
  let input = count.prompt_tokens;
  if (priced.has('input_cache_read')) input -= take(usage, 'input_cache_read', count.cached_tokens);
  input -= take(usage, 'input_cache_write', count.cache_write_tokens);
  input -= take(usage, 'input_audio', count.input_audio_tokens);
  take(usage, 'input', input);
  let output = count.completion_tokens;
  if (priced.has('output_reasoning')) output -= take(usage, 'output_reasoning', count.reasoning_tokens);
  output -= take(usage, 'output_audio', count.output_audio_tokens);
  take(usage, 'output', output);
  return usage;
}

/**
 * Turns OpenAI's usage into disjoint dimensions. OpenAI counts tokens read from the cache, those
 * written to it, and audio inside `prompt_tokens`, and reasoning and audio tokens inside `completion_tokens`, so they are subtracted from their parent.
 *
 * `priced` is the set of dimensions the model's price version lists: reasoning tokens of a model without an
 * `output_reasoning` rate are ordinary `output`, and tokens of the cache without an `input_cache_read` or
 * `input_cache_write` rate are ordinary `input`, because a provider without such a price charges them so. Audio is kept
 * apart even without a price: it costs a multiple of text, and pricing must say that it is missing instead of guessing low.
 *
 * Numbers that contradict each other (more cached tokens than prompt tokens) give `nonsense` with a sentence for the
 * log; the caller then estimates, because any repair would be a guess at someone's bill.
 */
export function normaliseOpenAiUsage(raw: OpenAiUsage, priced: ReadonlySet<Dimension>): NormalisedUsage {
  const counts = {
    prompt_tokens: tokens(raw.prompt_tokens),
    completion_tokens: tokens(raw.completion_tokens),
    cached_tokens: tokens(raw.prompt_tokens_details?.cached_tokens),
    // Without a price for it nobody asks: the tokens are ordinary input, whatever the provider says of them.
    cache_write_tokens: priced.has('input_cache_write') ? tokens(raw.prompt_tokens_details?.cache_write_tokens) : 0,
    input_audio_tokens: tokens(raw.prompt_tokens_details?.audio_tokens),
    reasoning_tokens: tokens(raw.completion_tokens_details?.reasoning_tokens),
    output_audio_tokens: tokens(raw.completion_tokens_details?.audio_tokens),
  };
  for (const name in counts) {
    if (counts[name as keyof Counts] === null) return { nonsense: `${name} is not a token count` };
  }
  const count = counts as Counts;
  if ((raw.prompt_tokens ?? null) === null && (raw.completion_tokens ?? null) === null)
    return { nonsense: 'neither prompt_tokens nor completion_tokens is given' };
  if (count.cached_tokens + count.cache_write_tokens + count.input_audio_tokens > count.prompt_tokens) {
    return {
      nonsense: `cached_tokens (${count.cached_tokens}), cache_write_tokens (${count.cache_write_tokens}) and audio_tokens (${count.input_audio_tokens}) exceed prompt_tokens (${count.prompt_tokens})`,
    };
  }
  if (count.reasoning_tokens + count.output_audio_tokens > count.completion_tokens) {
    return {
      nonsense: `reasoning (${count.reasoning_tokens}) and audio (${count.output_audio_tokens}) tokens exceed completion_tokens (${count.completion_tokens})`,
    };
  }
  return { usage: disjoint(count, priced) };
}
