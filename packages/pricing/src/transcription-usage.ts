import type { Dimension, Usage } from '@tensorloop/contracts/usage';
import type { NormalisedUsage } from './openai-usage.js';
import { isTokenCount, TOKENS_MAX } from './token-count.js';

/** Usage of OpenAI's transcriptions: of type "duration" or "tokens". Every field may be missing or of any type. */
export interface TranscriptionUsage {
  seconds?: unknown;
  /** Not part of OpenAI's usage: what a verbose answer says of the file. */
  duration?: unknown;
  input_tokens?: unknown;
  output_tokens?: unknown;
  input_token_details?: { audio_tokens?: unknown } | null;
}

const TOKENS: readonly Dimension[] = ['input', 'input_audio', 'output'];

/** Begun seconds, or null for what is no length of time. */
function begunSeconds(value: unknown): number | null {
  const seconds = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof seconds !== 'number' || !(seconds >= 0 && seconds <= TOKENS_MAX)) return null;
  return Math.ceil(seconds);
}

/**
 * Seconds where the price lists them, tokens where it lists those; what the price does not list is left out. Input tokens
 * that are not said to be text are sound. What is priced and not reported is `nonsense`: the caller then estimates.
 */
export function normaliseTranscriptionUsage(raw: TranscriptionUsage, priced: ReadonlySet<Dimension>): NormalisedUsage {
  const usage: Usage = {};
  if (priced.has('audio_second')) {
    const seconds = begunSeconds(raw.seconds ?? raw.duration);
    if (seconds === null) return { nonsense: 'neither seconds nor duration is a length of time' };
    if (seconds > 0) usage.audio_second = seconds;
  }
  if (!TOKENS.some((dimension) => priced.has(dimension))) return { usage };
  const { input_tokens: read, output_tokens: written } = raw;
  if (!isTokenCount(read) || !isTokenCount(written)) return { nonsense: 'input_tokens or output_tokens is not a token count' };
  const heard = raw.input_token_details?.audio_tokens ?? read;
  if (!isTokenCount(heard) || heard > read) return { nonsense: 'audio_tokens exceed input_tokens' };
  add(usage, priced.has('input_audio') ? 'input_audio' : 'input', heard);
  add(usage, priced.has('input') ? 'input' : 'input_audio', read - heard);
  add(usage, 'output', written);
  for (const dimension of TOKENS) if (!priced.has(dimension)) delete usage[dimension];
  return { usage };
}

function add(usage: Usage, dimension: Dimension, tokens: number): void {
  if (tokens > 0) usage[dimension] = (usage[dimension] ?? 0) + tokens;
}
