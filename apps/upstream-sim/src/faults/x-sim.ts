import { z } from 'zod';

/**
 * `"x_sim": {…}` in the body of a call chooses how that one call behaves. It travels in the body because
 * a gateway passes unknown fields through untouched.
 */

/** Largest token count a caller may ask for: bounds the text one call can make this process produce. */
const TOKENS_MAX = 1_000_000;
const WAIT_MS_MAX = 600_000;

export const FAULTS = [
  'status',
  'refuse',
  'cut',
  'cut_json',
  'no_usage',
  'never',
  'hang_midstream',
  'ignore_max_tokens',
  'malformed',
] as const;
export type Fault = (typeof FAULTS)[number];

const tokens = z.number().int().min(0).max(TOKENS_MAX);
const waitMs = z.number().min(0).max(WAIT_MS_MAX);

const xSimSchema = z
  .strictObject({
    /** Reported prompt tokens; at most one per byte of the raw body. */
    promptTokens: tokens.optional(),
    /** Tokens of each choice before max_tokens applies, reasoning included. */
    completionTokens: tokens.optional(),
    /** Part of promptTokens. */
    cachedTokens: tokens.optional(),
    /** Part of promptTokens, beside cachedTokens: written to the provider's cache. */
    cacheWriteTokens: tokens.optional(),
    /** Part of completionTokens, of each choice. */
    reasoningTokens: tokens.optional(),
    /** Wait before the response head. */
    latencyMs: waitMs.optional(),
    /** Wait between the head and the first token of a stream. */
    firstTokenMs: waitMs.optional(),
    /** Wait between two chunks of a stream. */
    chunkMs: waitMs.optional(),
    tokensPerChunk: z.number().int().min(1).max(10_000).optional(),
    fault: z.enum(FAULTS).optional(),
    /** With fault "status": what is answered. */
    status: z.number().int().min(400).max(599).optional(),
    /** With fault "status": sent as retry-after (whole seconds, rounded up) and retry-after-ms. */
    retryAfterMs: waitMs.optional(),
    /** Chat: answer with this call instead of text. Its name has to be among `tools`. */
    toolCall: z.strictObject({ name: z.string().min(1).max(64), arguments: z.record(z.string(), z.unknown()) }).optional(),
    /** Transcriptions: how long the audio lasts. Default: its bytes at 128 kbit/s. */
    audioSeconds: z.number().positive().max(86_400).optional(),
    /** With faults "cut" and "hang_midstream": content chunks sent before it happens. */
    afterChunks: z.number().int().min(0).max(TOKENS_MAX).optional(),
  })
  .refine((sim) => sim.fault === 'status' || (sim.status === undefined && sim.retryAfterMs === undefined), {
    message: 'status and retryAfterMs need fault "status"',
  })
  .refine((sim) => sim.afterChunks === undefined || sim.fault === 'cut' || sim.fault === 'hang_midstream', {
    message: 'afterChunks needs fault "cut" or "hang_midstream"',
  });
export type XSim = z.infer<typeof xSimSchema>;

const NONE: XSim = {};

/** The validated object, or a sentence that says what is wrong with it. */
export function parseXSim(value: unknown): { sim: XSim } | { problem: string } {
  if (value === undefined) return { sim: NONE };
  const result = xSimSchema.safeParse(value);
  if (result.success) return { sim: result.data };
  const problems = result.error.issues.map((issue) => `${['x_sim', ...issue.path].join('.')}: ${issue.message}`);
  return { problem: problems.join('; ') };
}
