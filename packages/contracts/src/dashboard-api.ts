import { z } from 'zod';
import { tagFilterSchema } from './api/tag-filter.js';
import { daySchema, uuid7Schema } from './identity.js';
import { nanoUsdAmountSchema, usdSchema } from './nano-usd.js';
import { OUTCOMES } from './request-completed.js';
import { tagsSchema } from './tags.js';
import { usageSchema } from './usage.js';

/** Requests and answers of `/api/*`. Instants are ISO 8601 in UTC; money is both exact nano-USD and decimal USD. */

const instantSchema = z.iso.datetime();

export const credentialsSchema = z.strictObject({
  email: z
    .email()
    .max(254)
    .transform((email) => email.trim().toLowerCase()),
  /** 8–128 characters; more would only feed the hash function's cost. */
  password: z.string().min(8, 'a password has at least 8 characters').max(128, 'a password has at most 128 characters'),
});
export type Credentials = z.infer<typeof credentialsSchema>;

export const ROLES = ['owner', 'admin', 'developer', 'billing', 'viewer'] as const;
export const roleSchema = z.enum(ROLES);
export type Role = z.infer<typeof roleSchema>;

export const planSchema = z.object({
  id: z.string(),
  name: z.string(),
  keysMax: z.number().int(),
  budgetPerKeyUsdMax: usdSchema,
  rpmPerKeyMax: z.number().int(),
  /** "*" alone = every model in the catalogue. */
  models: z.array(z.string()),
});
export type Plan = z.infer<typeof planSchema>;

/** `deleting`: deletion was asked for. Then, and while it is disabled by an operator, no key of an account works. */
export const ACCOUNT_STATUSES = ['active', 'deleting', 'disabled'] as const;
/** metered = invoiced, prepaid = spends a balance. */
export const ACCOUNT_KINDS = ['metered', 'prepaid'] as const;

export const meSchema = z.object({
  user: z.object({
    id: uuid7Schema,
    email: z.string(),
    /** What the person wants to be called; empty = never said. */
    name: z.string(),
    /** The address was proven to be the user's. */
    emailVerified: z.boolean(),
    /** False: the user signs in by other means, and can set a first password. */
    hasPassword: z.boolean(),
    /** A Google account is linked. */
    hasGoogle: z.boolean(),
  }),
  account: z.object({
    id: uuid7Schema,
    name: z.string(),
    role: roleSchema,
    kind: z.enum(ACCOUNT_KINDS),
    status: z.enum(ACCOUNT_STATUSES),
    /** When it will be erased; null = deletion was not asked for. */
    deleteAfter: instantSchema.nullable(),
    plan: planSchema,
  }),
  permissions: z.array(z.string()).describe('What the role allows in this account, such as `keys:write`.'),
  isOperator: z.boolean().describe('Operates the installation: may call what is under /api/operator.'),
});
export type Me = z.infer<typeof meSchema>;

export const EXPIRY_DAYS_DEFAULT = 90;
export const EXPIRY_DAYS_MAX = 365;

/** Of lone surrogates, control characters and marks that turn the reading direction: the first two cannot be stored, the last disguise. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/u;
const VISIBLE = /[\p{L}\p{N}\p{P}\p{S}]/u;

const keyNameSchema = z
  .string()
  .trim()
  .min(1, 'expected a name')
  .max(100, 'a name has at most 100 characters')
  .refine((name) => !UNPRINTABLE.test(name), 'a name has no control characters')
  .refine((name) => name === '' || VISIBLE.test(name), 'expected a name that can be seen');

/** What the members of a person's accounts are shown beside the address. */
export const mePatchSchema = z.strictObject({ name: keyNameSchema });
export type MePatch = z.infer<typeof mePatchSchema>;

/** As model ids, and "*" for every model of the plan. */
const allowedModelSchema = z
  .string()
  .min(1)
  .max(128)
  .regex(/^(\*|[A-Za-z0-9][A-Za-z0-9._:/-]*)$/, 'model ids use letters, digits and . _ : / -; "*" alone = every model');

/** Mint (spec TL-3). What is left out takes the plan's ceiling; the expiry defaults to 90 days. */
export const keyCreateSchema = z.strictObject({
  name: keyNameSchema,
  models: z
    .array(allowedModelSchema)
    .min(1)
    .max(200)
    .refine((models) => models.length === 1 || !models.includes('*'), '"*" stands alone: it is every model')
    .optional()
    .describe('Ids of models, or `["*"]` for every model, also those to come, where the plan has them all.'),
  budgetUsd: usdSchema.optional(),
  rpm: z.number().int().min(1).optional(),
  expiresInDays: z.number().int().min(1).max(EXPIRY_DAYS_MAX).optional(),
});
export type KeyCreate = z.infer<typeof keyCreateSchema>;

export const keySchema = z.object({
  id: uuid7Schema,
  name: z.string(),
  /** First and last characters, enough to recognise a key and useless to call with. */
  preview: z.string(),
  models: z.array(z.string()),
  budgetUsd: usdSchema,
  rpm: z.number().int(),
  createdAt: instantSchema,
  expiresAt: instantSchema,
  status: z.enum(['active', 'revoked', 'expired']),
});
export type Key = z.infer<typeof keySchema>;

/** The only answer that ever carries the plaintext. */
export const keyCreatedSchema = keySchema.extend({ key: z.string() });
export type KeyCreated = z.infer<typeof keyCreatedSchema>;

export const keyListSchema = z.object({ data: z.array(keySchema) });

export const activityItemSchema = z.object({
  requestId: uuid7Schema,
  time: instantSchema,
  status: z
    .enum(['succeeded', 'failed', 'estimated', 'refused'])
    .describe('A word of the filter that finds the call. `estimated`: an answer came and its usage was counted here.'),
  keyId: uuid7Schema,
  key: z
    .object({ id: uuid7Schema, name: z.string(), preview: z.string() })
    .nullable()
    .describe('By the name that it has now; null: the account has no such key any more.'),
  model: z.string(),
  endpoint: z.string(),
  stream: z.boolean(),
  outcome: z.enum([...OUTCOMES, 'refused']),
  httpStatus: z.number().int(),
  estimated: z.boolean(),
  usage: usageSchema,
  costNanoUsd: nanoUsdAmountSchema,
  costUsd: usdSchema,
  latencyMs: z.number(),
  firstByteMs: z.number().nullable(),
  /** Of refused calls: why, and how often within the moment that the row stands for. The id is that of the last of them. */
  refusal: z.object({ code: z.string(), count: z.number().int().positive(), firstTime: instantSchema }).optional(),
  /** To what the call is attributed; absent = to no project, to no tag. */
  projectId: uuid7Schema.optional(),
  tags: tagsSchema.optional(),
});
export const activityPageSchema = z.object({
  data: z.array(activityItemSchema),
  hasMore: z.boolean(),
  nextCursor: z.string().nullable(),
  /** Everything metering had committed up to this instant is in the answer. */
  dataThrough: instantSchema,
});
export type ActivityPage = z.infer<typeof activityPageSchema>;

export const usageSummaryQuerySchema = z.strictObject({
  from: daySchema.optional(),
  to: daySchema.optional(),
  projectId: uuid7Schema.optional().describe('Only the calls of this project.'),
  tag: tagFilterSchema.optional().describe('Name and value of a tag: `team=search`. Not together with `projectId`.'),
});

const sumSchema = z.object({
  requests: z.number().int(),
  inputTokens: z.number().int(),
  outputTokens: z.number().int(),
  costNanoUsd: nanoUsdAmountSchema,
  costUsd: usdSchema,
});
export const usageSummarySchema = z.object({
  from: daySchema,
  to: daySchema,
  total: sumSchema,
  byDay: z.array(sumSchema.extend({ day: daySchema })),
  byModel: z
    .array(sumSchema.extend({ model: z.string() }))
    .nullable()
    .describe('Null where one project or tag was asked for: of these, sums are kept by time alone.'),
  byKey: z
    .array(sumSchema.extend({ keyId: uuid7Schema }))
    .nullable()
    .describe('As `byModel`.'),
  dataThrough: instantSchema,
});
export type UsageSummary = z.infer<typeof usageSummarySchema>;

/** RFC 9457 problem details; `code` is stable and is what clients switch on. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  code: z.string(),
  errors: z.array(z.object({ pointer: z.string(), message: z.string() })).optional(),
  requestId: z.string().optional(),
});
export type Problem = z.infer<typeof problemSchema>;
