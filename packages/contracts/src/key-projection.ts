import { z } from 'zod';
import { accountTagSchema, modelIdSchema, unixMsSchema, uuid7Schema } from './identity.js';
import { nanoUsdAmountSchema } from './nano-usd.js';
import { tagsSchema } from './tags.js';

/** The project that a key belongs to. Its calls count there as well, whether or not a budget caps them. */
export const projectedProjectSchema = z.object({
  id: uuid7Schema,
  /** For refusals, which name what is spent. */
  name: z.string().min(1),
  /** Its 30-day windows are counted from here. */
  createdAtMs: unixMsSchema,
  /** Per window; null = none. */
  budgetNanoUsd: nanoUsdAmountSchema.nullable(),
});

/**
 * All that admission needs to know of a key, as the control plane projects it into Redis. `version` grows with every
 * change of the key; an older projection never overwrites a newer one.
 */
export const keyProjectionSchema = z.object({
  version: z.number().int().positive(),
  /** HMAC-SHA256 of the key text, hex. */
  keyHash: z.string().regex(/^[0-9a-f]{64}$/),
  keyId: uuid7Schema,
  accountId: uuid7Schema,
  accountTag: accountTagSchema,
  isRevoked: z.boolean(),
  mintedAtMs: unixMsSchema,
  expiresAtMs: unixMsSchema,
  /** Allowlist, already intersected with the plan's models. "*" alone = every model; empty = none is left of it. */
  models: z.array(z.union([z.literal('*'), modelIdSchema])),
  budgetNanoUsd: nanoUsdAmountSchema,
  rpm: z.number().int().positive(),
  /** Tokens per rolling minute, counted as held at admission and corrected at the end; null = no limit. */
  tpm: z.number().int().positive().nullable().default(null),
  /** Calls of the key in flight at once; null = no limit. */
  parallelMax: z.number().int().positive().nullable().default(null),
  /** A prepaid account spends from its balance, which admission then checks as well. */
  accountKind: z.enum(['metered', 'prepaid']).default('metered'),
  /** Account-wide UTC-day limit; null = none. */
  dailyLimitNanoUsd: nanoUsdAmountSchema.nullable(),
  /** Requests of all keys of the account together, per rolling minute (spec TS-7). Absent = no limit. */
  accountRpm: z.number().int().positive().optional(),
  /** Absent = the key belongs to none. */
  project: projectedProjectSchema.optional(),
  /** What the key's calls are attributed to. Absent = nothing. */
  tags: tagsSchema.optional(),
});
export type KeyProjection = z.infer<typeof keyProjectionSchema>;
