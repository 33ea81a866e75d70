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

/** Absent and null are 0, as OpenAI leaves out what does not apply; null is returned for anything that is no token count. */
function tokens(value: unknown): number | null {
  if (value === undefined || value === null) return 0;
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= TOKENS_MAX ? value : null;
}

/** Subtracts the parts from the whole; a part that has no price of its own stays inside the whole. */
function split(
  whole: { dimension: Dimension; tokens: number },
  parts: { dimension: Dimension; tokens: number; isApart: boolean }[],
): Usage {
  const usage: Usage = {};
  let rest = whole.tokens;
  for (const part of parts) {
    if (!part.isApart || part.tokens === 0) continue;
    usage[part.dimension] = part.tokens;
    rest -= part.tokens;
  }
  if (rest > 0) usage[whole.dimension] = rest;
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
  const bad = Object.entries(counts).find(([, count]) => count === null);
  if (bad) return { nonsense: `${bad[0]} is not a token count` };
  const count = counts as Record<keyof typeof counts, number>;
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
  return {
    usage: {
      ...split({ dimension: 'input', tokens: count.prompt_tokens }, [
        { dimension: 'input_cache_read', tokens: count.cached_tokens, isApart: priced.has('input_cache_read') },
        { dimension: 'input_cache_write', tokens: count.cache_write_tokens, isApart: true },
        { dimension: 'input_audio', tokens: count.input_audio_tokens, isApart: true },
      ]),
      ...split({ dimension: 'output', tokens: count.completion_tokens }, [
        { dimension: 'output_reasoning', tokens: count.reasoning_tokens, isApart: priced.has('output_reasoning') },
        { dimension: 'output_audio', tokens: count.output_audio_tokens, isApart: true },
      ]),
    },
  };
}
