import { z } from 'zod';

/** Tags of one call: those of its key and those that its own header adds. */
export const TAGS_MAX = 16;
/** Code points of a tag's value. */
export const TAG_VALUE_LENGTH_MAX = 64;

/** "team", "cost-center": fit for a header, a URL's query and a column's head without quoting. */
export const tagNameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9_.-]{0,31}$/, 'a tag is named by a letter a–z, then up to 31 of a–z, 0–9, "_", "." and "-"');

/**
 * Text that can be seen, stored and compared by eye: no control characters, half pairs, invisible marks or line separators,
 * and no space at either end.
 */
export const tagValueSchema = z
  .string()
  .regex(
    /^(?! )[^\p{C}\p{Zl}\p{Zp}]{1,64}(?<! )$/u,
    `a tag's value has 1 to ${TAG_VALUE_LENGTH_MAX} printable characters, and no space at its ends`,
  );

/** What a call's cost is attributed to, beside its key, model and project: `{ "team": "search", "environment": "production" }`. */
export const tagsSchema = z
  .record(tagNameSchema, tagValueSchema)
  .refine((tags) => Object.keys(tags).length <= TAGS_MAX, `at most ${TAGS_MAX} tags`);
export type Tags = z.infer<typeof tagsSchema>;
