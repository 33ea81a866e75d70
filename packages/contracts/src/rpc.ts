import { z } from 'zod';
import { accountTagSchema, daySchema, modelIdSchema, unixMsSchema, uuid7Schema } from './identity.js';
import { nanoUsdAmountSchema } from './nano-usd.js';
import { attemptSchema, outcomeSchema } from './request-completed.js';
import { refusalSchema } from './request-refused.js';
import { scopeSchema, scopeTotalSchema } from './settle-ack.js';
import { tagNameSchema, tagsSchema, tagValueSchema } from './tags.js';
import { dimensionSchema, usageSchema } from './usage.js';

/**
 * Requests and answers between services over NATS. Every answer is `{ ok: true, … }` or `{ ok: false, code, message }`:
 * expected failures are values, and callers switch on `code`.
 */
export const rpcFailureSchema = z.object({ ok: z.literal(false), code: z.string(), message: z.string() });
export type RpcFailure = z.infer<typeof rpcFailureSchema>;

/** `control.key.project.v1`: a gateway met a key that Redis does not know. Answered after Redis holds the projection. */
const keyHashSchema = z.string().regex(/^[0-9a-f]{64}$/);
export const keyProjectRequestSchema = z.object({
  accountTag: accountTagSchema,
  keyHash: keyHashSchema,
  /** The same text under the other pepper, while peppers are rotated: a key that is found by it can be called by `keyHash` then. */
  previousKeyHash: keyHashSchema.optional(),
});
export type KeyProjectRequest = z.infer<typeof keyProjectRequestSchema>;
export const keyProjectReplySchema = z.union([z.object({ ok: z.literal(true), found: z.boolean() }), rpcFailureSchema]);
export type KeyProjectReply = z.infer<typeof keyProjectReplySchema>;

/**
 * `metering.totals.get.v1`: committed totals. A scope without a row is answered with total "0", version 0.
 * `metering.totals.get-of-any.v1`: the same, heard by every replica; whoever cannot tell leaves the answer to the others.
 */
export const totalsGetRequestSchema = z.object({
  accountId: uuid7Schema,
  scopes: z.array(scopeSchema).min(1).max(100),
  /** With the account's other scopes that were charged lately, a bounded number: they are going to be asked for. */
  isWithRecent: z.boolean().optional(),
});
export type TotalsGetRequest = z.infer<typeof totalsGetRequestSchema>;
export const totalsGetReplySchema = z.union([
  z.object({ ok: z.literal(true), totals: z.array(scopeTotalSchema) }),
  rpcFailureSchema,
]);
export type TotalsGetReply = z.infer<typeof totalsGetReplySchema>;

/** One call in the activity list. */
export const activityRowSchema = z.object({
  requestId: uuid7Schema,
  admittedAtMs: unixMsSchema,
  keyId: uuid7Schema,
  model: modelIdSchema,
  endpoint: z.string(),
  stream: z.boolean(),
  outcome: outcomeSchema,
  httpStatus: z.number().int(),
  estimated: z.boolean(),
  usage: usageSchema,
  chargeNanoUsd: nanoUsdAmountSchema,
  latencyMs: z.number().nonnegative(),
  firstByteMs: z.number().nonnegative().nullable(),
  projectId: uuid7Schema.optional(),
  tags: tagsSchema.optional(),
});
export type ActivityRow = z.infer<typeof activityRowSchema>;

export const ACTIVITY_PAGE_MAX = 200;

/** `failed`: no answer came. `estimated`: we counted the usage, whatever became of the call. */
export const ACTIVITY_STATUSES = ['succeeded', 'failed', 'estimated'] as const;
export type ActivityStatus = (typeof ACTIVITY_STATUSES)[number];

/** `metering.activity.list.v1`: newest first by request id. `before` = the last id of the previous page. Filters are all to hold. */
export const activityListRequestSchema = z.object({
  accountId: uuid7Schema,
  before: uuid7Schema.nullable(),
  limit: z.number().int().min(1).max(ACTIVITY_PAGE_MAX),
  keyId: uuid7Schema.nullable(),
  model: modelIdSchema.nullable(),
  status: z.enum(ACTIVITY_STATUSES).optional(),
  /** Of admission: from, included, and to, excluded. */
  fromMs: unixMsSchema.optional(),
  toMs: unixMsSchema.optional(),
  projectId: uuid7Schema.optional(),
  tag: z.object({ name: tagNameSchema, value: tagValueSchema }).optional(),
  requestId: uuid7Schema.optional(),
});
export type ActivityListRequest = z.infer<typeof activityListRequestSchema>;
export const activityListReplySchema = z.union([
  z.object({ ok: z.literal(true), rows: z.array(activityRowSchema), hasMore: z.boolean(), dataThroughMs: unixMsSchema }),
  rpcFailureSchema,
]);
export type ActivityListReply = z.infer<typeof activityListReplySchema>;

/** `metering.refusals.list.v1`: newest first by request id, in pages as the activity; kept for a limited time. */
export const refusalsListRequestSchema = activityListRequestSchema.extend({ model: z.string().max(128).nullable() });
export type RefusalsListRequest = z.infer<typeof refusalsListRequestSchema>;
export const refusalRowSchema = refusalSchema.omit({ accountId: true });
export type RefusalRow = z.infer<typeof refusalRowSchema>;
export const refusalsListReplySchema = z.union([
  z.object({ ok: z.literal(true), rows: z.array(refusalRowSchema), hasMore: z.boolean(), dataThroughMs: unixMsSchema }),
  rpcFailureSchema,
]);
export type RefusalsListReply = z.infer<typeof refusalsListReplySchema>;

/** What one dimension of a call came to. `unitPrice` is USD per million units. */
export const chargeLineSchema = z.object({
  dimension: dimensionSchema,
  quantity: z.number().int().nonnegative(),
  unitPrice: z.string(),
  amountNanoUsd: nanoUsdAmountSchema,
});
export type ChargeLine = z.infer<typeof chargeLineSchema>;

/** `metering.request.get.v1`: one call of the account with what it was charged. `found` false = not the account's, or not booked yet. */
export const requestGetRequestSchema = z.object({ accountId: uuid7Schema, requestId: uuid7Schema });
export type RequestGetRequest = z.infer<typeof requestGetRequestSchema>;
export const bookedRequestSchema = activityRowSchema.extend({
  completedAtMs: unixMsSchema,
  lines: z.array(chargeLineSchema),
  attempts: z.array(attemptSchema),
});
export type BookedRequest = z.infer<typeof bookedRequestSchema>;
export const requestGetReplySchema = z.union([
  z.object({
    ok: z.literal(true),
    found: z.literal(true),
    request: bookedRequestSchema,
    /** As with lists; left out by releases that did not say it. */
    dataThroughMs: unixMsSchema.optional(),
  }),
  z.object({ ok: z.literal(true), found: z.literal(false), dataThroughMs: unixMsSchema.optional() }),
  rpcFailureSchema,
]);
export type RequestGetReply = z.infer<typeof requestGetReplySchema>;

/** A sum over calls. Tokens are whole counts; `requests` includes failed calls. */
export const usageSumSchema = z.object({
  requests: z.number().int().nonnegative(),
  inputTokens: z.number().int().nonnegative(),
  outputTokens: z.number().int().nonnegative(),
  chargeNanoUsd: nanoUsdAmountSchema,
});
export type UsageSum = z.infer<typeof usageSumSchema>;

/** `metering.usage-summary.get.v1`: sums from the rollups over UTC days [fromDay, toDay], both included. */
export const usageSummaryGetRequestSchema = z.object({ accountId: uuid7Schema, fromDay: daySchema, toDay: daySchema });
export type UsageSummaryGetRequest = z.infer<typeof usageSummaryGetRequestSchema>;
export const usageSummaryGetReplySchema = z.union([
  z.object({
    ok: z.literal(true),
    total: usageSumSchema,
    byDay: z.array(usageSumSchema.extend({ day: daySchema })),
    byModel: z.array(usageSumSchema.extend({ model: modelIdSchema })),
    byKey: z.array(usageSumSchema.extend({ keyId: uuid7Schema })),
    dataThroughMs: unixMsSchema,
  }),
  rpcFailureSchema,
]);
export type UsageSummaryGetReply = z.infer<typeof usageSummaryGetReplySchema>;

/** Keys of one page of `/api/keys`. */
export const KEY_USAGE_KEYS_MAX = 100;

/**
 * `metering.key-usage.list.v1`: what each key has spent, booked, in one of its windows, and when it was last used. A key that was
 * never used, or is another account's, has spent "0" and `lastUsedAtMs` null.
 */
export const keyUsageListRequestSchema = z.object({
  accountId: uuid7Schema,
  keys: z
    .array(z.object({ keyId: uuid7Schema, windowIndex: z.number().int().nonnegative().max(999_999) }))
    .min(1)
    .max(KEY_USAGE_KEYS_MAX),
});
export type KeyUsageListRequest = z.infer<typeof keyUsageListRequestSchema>;
/** `lastUsedAtMs`: the latest admission that is booked, in any window. */
export const keyUsageRowSchema = z.object({
  keyId: uuid7Schema,
  spentNanoUsd: nanoUsdAmountSchema,
  lastUsedAtMs: unixMsSchema.nullable(),
});
export type KeyUsageRow = z.infer<typeof keyUsageRowSchema>;
export const keyUsageListReplySchema = z.union([
  z.object({ ok: z.literal(true), keys: z.array(keyUsageRowSchema), dataThroughMs: unixMsSchema }),
  rpcFailureSchema,
]);
export type KeyUsageListReply = z.infer<typeof keyUsageListReplySchema>;
