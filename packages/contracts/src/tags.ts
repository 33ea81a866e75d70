import { z } from 'zod';

/** Tags of one call: those of its key and those that its own header adds. */
export const TAGS_MAX = 16;
/** Code points of a tag's value. */
export const TAG_VALUE_LENGTH_MAX = 64;
/** Names of tags that an account has sums of its own for. */
export const TAG_NAMES_MAX = 200;
/** What calls are summed as whose tags have further names. No tag can be named so. */
export const OTHER_TAGS = '(other)';

/**
 * Days for which sums of tags are kept: two of the longest ranges that can be asked for, so that each has the one before beside it,
 * and two months. Names and values are whatever customers write, and nothing else that is summed has so many rows.
 */
export const TAG_SUMS_KEPT_DAYS = 800;

/** "team", "cost-center": fit for a header, a URL's query and a column's head without quoting. */
export const tagNameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9_.-]{0,31}$/, 'a tag is named by a letter a–z, then up to 31 of a–z, 0–9, "_", "." and "-"');

/** What sums can be asked for by: a tag's name, or that of all tags beyond TAG_NAMES_MAX. */
export const summedTagNameSchema = z.union([tagNameSchema, z.literal(OTHER_TAGS)]);

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
