import type { Dimension, Usage } from '@tensorloop/contracts/usage';
import type { PictureDimension } from './hold.js';
import type { NormalisedUsage } from './openai-usage.js';
import { isTokenCount } from './token-count.js';

/** Usage of OpenAI's image models. Every field may be missing or, from a broken upstream, of any type. */
export interface ImagesUsage {
  input_tokens?: unknown;
  output_tokens?: unknown;
  input_tokens_details?: { image_tokens?: unknown } | null;
  output_tokens_details?: { text_tokens?: unknown } | null;
}

/** What was delivered, counted in the answer itself. */
export interface Pictures {
  dimension: PictureDimension;
  count: number;
}

const TOKENS: readonly Dimension[] = ['input', 'input_image', 'output', 'output_image'];

/**
 * Pictures where the price lists them, tokens where it lists those. Parts without a price of their own belong to their
 * whole: images read to `input`, text written to `output_image`. Tokens that are priced and not reported are `nonsense`:
 * the caller then counts what it can.
 */
export function normaliseImagesUsage(
  raw: ImagesUsage,
  priced: ReadonlySet<Dimension>,
  { dimension, count }: Pictures,
): NormalisedUsage {
  const usage: Usage = priced.has(dimension) && count > 0 ? { [dimension]: count } : {};
  if (!TOKENS.some((one) => priced.has(one))) return { usage };
  const { input_tokens: read, output_tokens: made } = raw;
  const seen = raw.input_tokens_details?.image_tokens ?? 0;
  const written = raw.output_tokens_details?.text_tokens ?? 0;
  if (!isTokenCount(read) || !isTokenCount(made)) return { nonsense: 'input_tokens or output_tokens is not a token count' };
  if (!isTokenCount(seen) || seen > read) return { nonsense: 'image_tokens exceed input_tokens' };
  if (!isTokenCount(written) || written > made) return { nonsense: 'text_tokens exceed output_tokens' };
  add(usage, priced.has('input_image') ? 'input_image' : 'input', seen);
  add(usage, 'input', read - seen);
  add(usage, priced.has('output') ? 'output' : 'output_image', written);
  add(usage, 'output_image', made - written);
  for (const one of TOKENS) if (!priced.has(one)) delete usage[one];
  return { usage };
}

function add(usage: Usage, dimension: Dimension, tokens: number): void {
  if (tokens > 0) usage[dimension] = (usage[dimension] ?? 0) + tokens;
}
