import { z } from 'zod';
import { EXPIRY_DAYS_MAX, keyCreateSchema, keySchema } from '../dashboard-api.js';
import { modelIdSchema, uuid7Schema } from '../identity.js';
import { nanoUsdAmountSchema, usdSchema } from '../nano-usd.js';
import { tagsSchema } from '../tags.js';
import { pageQueryShape, pageSchemaOf } from './pages.js';
import { tagFilterSchema } from './tag-filter.js';

const instantSchema = z.iso.datetime();

/** Names of tags that every dashboard offers; any other may be given. */
export const TAG_NAMES_OFFERED = ['application', 'team', 'environment', 'owner'] as const;

/** Mint (spec TL-3): what is left out takes the plan's ceiling, and whoever mints the key owns it. */
export const keyMintSchema = keyCreateSchema.extend({
  projectId: uuid7Schema.optional(),
  tags: tagsSchema.optional(),
  /** The member who answers for the key. */
  ownerUserId: uuid7Schema.optional(),
});
export type KeyMint = z.infer<typeof keyMintSchema>;

/** What of a key may change later. What was fixed at mint is taken in, so that the refusal can say so (spec TL-3). */
export const keyPatchSchema = z.strictObject({
  name: keyCreateSchema.shape.name.optional(),
  budgetUsd: usdSchema.optional(),
  rpm: keyCreateSchema.shape.rpm,
  tags: tagsSchema.optional(),
  ownerUserId: uuid7Schema.nullable().optional(),
  projectId: uuid7Schema.nullable().optional(),
  models: z.unknown().optional(),
  expiresAt: z.unknown().optional(),
  expiresInDays: z.unknown().optional(),
});
export type KeyPatch = z.infer<typeof keyPatchSchema>;

/** What is left of a budget. All null, `usageAvailable` false: what was spent cannot be told at the moment. */
const spendingShape = {
  usageAvailable: z.boolean(),
  spentUsd: usdSchema.nullable(),
  spentNanoUsd: nanoUsdAmountSchema.nullable(),
  /** Of calls in flight. */
  heldUsd: usdSchema.nullable(),
  heldNanoUsd: nanoUsdAmountSchema.nullable(),
  leftUsd: usdSchema.nullable(),
  leftNanoUsd: nanoUsdAmountSchema.nullable(),
};

export const keyDetailSchema = keySchema.extend({
  /** Grows by one with every change: what If-Match is compared with. */
  version: z.number().int(),
  budgetNanoUsd: nanoUsdAmountSchema,
  revokedAt: instantSchema.nullable(),
  inForce: z
    .object({
      models: z.array(z.string()),
      budgetUsd: usdSchema,
      budgetNanoUsd: nanoUsdAmountSchema,
      rpm: z.number().int(),
    })
    .describe("What gateways go by: the key's own terms, cut to what the plan allows now."),
  owner: z.object({ userId: uuid7Schema, email: z.string().nullable() }).nullable(),
  project: z.object({ id: uuid7Schema, name: z.string() }).nullable(),
  tags: tagsSchema,
  ...spendingShape,
  /** When the 30-day window ends (spec TL-4). */
  resetsAt: instantSchema,
  lastUsedAt: instantSchema.nullable().describe('Null with `lastUsedKnown` true: never.'),
  lastUsedKnown: z.boolean().describe('False: whether and when it was last used cannot be told at the moment.'),
  dataThrough: instantSchema
    .nullable()
    .describe(
      'By full minutes: every call up to then is in `lastUsedAt`. Null: it cannot be told. What is spent, held and left is what gateways go by now.',
    ),
  /** The budget of this window is spent: every call is refused until `resetsAt`. False while it cannot be told. */
  budgetExhausted: z.boolean(),
});
export type KeyDetail = z.infer<typeof keyDetailSchema>;

/** The only answer that ever carries the plaintext; repeated for its Idempotency-Key it carries null. */
export const keyMintedSchema = keyDetailSchema.extend({ key: z.string().nullable() });
export type KeyMinted = z.infer<typeof keyMintedSchema>;

export const keyPageSchema = pageSchemaOf(keyDetailSchema);
export type KeyPage = z.infer<typeof keyPageSchema>;

export const keyListQuerySchema = z.strictObject({
  /** They leave the list (spec TL-3) unless asked for. */
  include: z.enum(['inactive']).optional().describe('`inactive`: revoked and expired keys too.'),
  projectId: uuid7Schema.optional(),
  project: uuid7Schema
    .optional()
    .meta({ description: 'Older name of projectId, which counts if both are given.', deprecated: true }),
  tag: tagFilterSchema.optional().describe('Name and value of a tag: `team=search`.'),
  ...pageQueryShape,
});
export type KeyListQuery = z.infer<typeof keyListQuerySchema>;

/** Everything that a dialog for minting shows. */
export const keyMintOptionsSchema = z.object({
  plan: z.object({ id: z.string(), name: z.string() }),
  models: z.object({
    /** Ids that may be put on the allowlist. */
    allowed: z.array(modelIdSchema),
    /** What an allowlist that is left out comes to; "*" alone = every model, also those to come. */
    default: z.array(z.string()),
  }),
  budget: z.object({ maxUsd: usdSchema, maxNanoUsd: nanoUsdAmountSchema, defaultUsd: usdSchema, windowDays: z.number().int() }),
  rpm: z.object({
    max: z.number().int(),
    default: z.number().int(),
    /** All keys of the account together; null = no limit of their own. */
    accountMax: z.number().int().nullable(),
  }),
  expiry: z.object({ defaultDays: z.number().int(), maxDays: z.literal(EXPIRY_DAYS_MAX) }),
  keys: z.object({
    active: z.number().int(),
    max: z.number().int(),
    /** Null = one can be minted now; else the code that minting would be refused with. */
    refusal: z.enum(['account_not_active', 'plan_key_limit_reached', 'too_many_mints']).nullable(),
  }),
  projects: z.array(z.object({ id: uuid7Schema, name: z.string() })),
  owners: z.array(z.object({ userId: uuid7Schema, email: z.string() })),
  tags: z.object({ offered: z.array(z.string()), max: z.number().int() }),
});
export type KeyMintOptions = z.infer<typeof keyMintOptionsSchema>;
