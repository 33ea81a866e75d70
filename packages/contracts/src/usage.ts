import { z } from 'zod';

/**
 * What a price may be charged for. Dimensions are disjoint: a token is counted in exactly one. OpenAI reports cached
 * tokens inside the input and Anthropic beside it, so adapters subtract before anything is priced.
 */
export const DIMENSIONS = [
  'input',
  'input_cache_read',
  'input_cache_write',
  'input_audio',
  'output',
  'output_reasoning',
  'output_audio',
  /** Image tokens in and out, of models that report them. */
  'input_image',
  'output_image',
  /** Pictures made, told apart as providers' prices tell them: with a side above 1,024 pixels, and of high quality. */
  'image',
  'image_large',
  'image_hd',
  'image_hd_large',
  /** Seconds of audio heard, each begun second counted. */
  'audio_second',
  /** Characters spoken. */
  'character',
] as const;
export const dimensionSchema = z.enum(DIMENSIONS);
export type Dimension = z.infer<typeof dimensionSchema>;

/** Quantity per dimension, in tokens unless the dimension says otherwise. Absent means 0. */
export const usageSchema = z.partialRecord(dimensionSchema, z.number().int().nonnegative().max(1_000_000_000));
export type Usage = z.infer<typeof usageSchema>;
