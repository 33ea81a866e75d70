import { z } from 'zod';
import { planSchema, roleSchema } from '../dashboard-api.js';
import { uuid7Schema } from '../identity.js';
import { nanoUsdAmountSchema, usdSchema } from '../nano-usd.js';
import { completeListSchemaOf, pageQuerySchema, pageSchemaOf } from './pages.js';
import { planOfferSchema } from './plans.js';

/** `/api/operator/*`: what runs the installation. Nobody but operators learns that it exists. */

const instantSchema = z.iso.datetime();
/** Neither control characters nor lone surrogates. */
const printable = /^[^\p{Cc}\p{Cs}]*$/u;

export const OPERATOR_KEYS_SHOWN_MAX = 100;
export const OPERATOR_MEMBERS_SHOWN_MAX = 100;

const accountStatusSchema = z.enum(['active', 'deleting', 'disabled']);

export const operatorAccountListQuerySchema = pageQuerySchema.extend({
  search: z
    .string()
    .min(1)
    .max(254)
    .regex(printable, 'expected text without control characters')
    .optional()
    .describe("Part of the account's name or of a member's address, or the id of the account, of a member or of a key."),
  planId: z.string().min(1).max(100).regex(printable, 'expected the id of a plan').optional(),
  status: accountStatusSchema.optional(),
});
export type OperatorAccountListQuery = z.infer<typeof operatorAccountListQuerySchema>;

export const operatorAccountSchema = z.object({
  id: uuid7Schema,
  name: z.string(),
  status: accountStatusSchema,
  plan: z.object({ id: z.string(), name: z.string() }),
  createdAt: instantSchema,
  members: z.number().int(),
  /** Neither revoked nor expired. */
  keysActive: z.number().int(),
});
export type OperatorAccount = z.infer<typeof operatorAccountSchema>;
export const operatorAccountPageSchema = pageSchemaOf(operatorAccountSchema);
export type OperatorAccountPage = z.infer<typeof operatorAccountPageSchema>;

export const operatorAccountDetailSchema = operatorAccountSchema.extend({
  plan: planSchema,
  kind: z.enum(['metered', 'prepaid']),
  dailyLimitUsd: usdSchema.nullable(),
  disabledAt: instantSchema.nullable(),
  /** Deletion was asked for; until then it can be taken back. */
  deleteAfter: instantSchema.nullable(),
  /** Grows with every change of the account's own data. */
  version: z.number().int(),
  /** At most OPERATOR_MEMBERS_SHOWN_MAX. */
  memberList: z.array(
    z.object({ userId: uuid7Schema, email: z.string(), role: roleSchema, isVerified: z.boolean(), joinedAt: instantSchema }),
  ),
  /** The newest OPERATOR_KEYS_SHOWN_MAX; never a key's text or what it is checked by. */
  keyList: z.array(
    z.object({
      id: uuid7Schema,
      name: z.string(),
      preview: z.string(),
      status: z.enum(['active', 'revoked', 'expired']),
      models: z.array(z.string()),
      budgetUsd: usdSchema,
      rpm: z.number().int(),
      createdAt: instantSchema,
      expiresAt: instantSchema,
    }),
  ),
  /** The last 30 UTC days; null while metering does not answer. */
  usage: z
    .object({ requests: z.number().int(), costUsd: usdSchema, costNanoUsd: nanoUsdAmountSchema, dataThrough: instantSchema })
    .nullable(),
});
export type OperatorAccountDetail = z.infer<typeof operatorAccountDetailSchema>;

/** Why: goes into the account's audit log, where its owner reads it. */
const reasonSchema = z
  .string()
  .trim()
  .min(1, 'say why; the account reads it in its audit log')
  .max(500)
  .regex(printable, 'expected text without control characters');
export const operatorReasonSchema = z.strictObject({ reason: reasonSchema });
export type OperatorReason = z.infer<typeof operatorReasonSchema>;

export const operatorPlanChoiceSchema = z.strictObject({
  planId: z.string().min(1).max(100).regex(printable, 'expected the id of a plan'),
  reason: reasonSchema,
});
export type OperatorPlanChoice = z.infer<typeof operatorPlanChoiceSchema>;

export const operatorChangeSchema = z.object({
  accountId: uuid7Schema,
  status: accountStatusSchema,
  planId: z.string(),
  /** Active keys that gateways were told of again. */
  keysAnnounced: z.number().int(),
  /** True: every gateway goes by the change with its next call. False: as soon as Redis can be reached. */
  isInForce: z.boolean(),
});
export type OperatorChange = z.infer<typeof operatorChangeSchema>;

export const operatorPlanSchema = planOfferSchema.omit({ isCurrent: true, isSelectable: true }).extend({
  /** Per month, apart from usage; of a plan by agreement what was agreed. */
  feeUsd: usdSchema,
  feeNanoUsd: nanoUsdAmountSchema,
  /** Whether an account may choose it by itself. */
  isOffered: z.boolean(),
  /** Accounts that have it. */
  accounts: z.number().int(),
});
export type OperatorPlan = z.infer<typeof operatorPlanSchema>;

/** Every plan, the smallest first. There are as many as operators made: a handful, so the list is always one page. */
export const operatorPlanListSchema = completeListSchemaOf(operatorPlanSchema);
export type OperatorPlanList = z.infer<typeof operatorPlanListSchema>;

/** All of them, who was appointed first at the top: nobody appoints more than a page holds. */
export const operatorListSchema = completeListSchemaOf(
  z.object({ userId: uuid7Schema, email: z.string(), since: instantSchema }),
);
export type OperatorList = z.infer<typeof operatorListSchema>;

export const ERASURE_STATES = ['waiting', 'due', 'under_way', 'failing', 'erased'] as const;

export const operatorErasureListQuerySchema = pageQuerySchema.extend({
  state: z.enum(ERASURE_STATES).optional().describe('Only these; left out: all that are not `erased`.'),
});
export type OperatorErasureListQuery = z.infer<typeof operatorErasureListQuerySchema>;

/** A deletion of an account that was asked for, and how far it has come. */
export const operatorErasureSchema = z.object({
  accountId: uuid7Schema,
  /** Of the account, until it is erased. */
  name: z.string(),
  state: z
    .enum(ERASURE_STATES)
    .describe(
      '`waiting`: its grace is not over, and it can be taken back. `due`: nothing was done yet. `under_way`: a piece was done, and more are left. `failing`: the last attempt failed. `erased`: carried out.',
    ),
  deleteAfter: instantSchema.describe('The end of its grace.'),
  begunAt: instantSchema.nullable(),
  workedAt: instantSchema.nullable().describe('The last piece, or the last failure.'),
  pieces: z.number().int().describe('Transactions that did a part of it; 0 once it is carried out.'),
  failures: z.number().int().describe('In a row.'),
  lastError: z.string().nullable().describe("The database's words; null unless `failing`."),
  nextTryAt: instantSchema
    .nullable()
    .describe(
      'Not before then. Null: with the next round, which any control plane begins every ten minutes at the latest; or never, once `erased`.',
    ),
  erasedAt: instantSchema.nullable(),
});
export type OperatorErasure = z.infer<typeof operatorErasureSchema>;
export const operatorErasurePageSchema = pageSchemaOf(operatorErasureSchema);
export type OperatorErasurePage = z.infer<typeof operatorErasurePageSchema>;

export const installationSchema = z.object({
  status: z.enum(['ready', 'not_ready', 'draining']),
  /** Of the control plane that answers. */
  checks: z.record(z.string(), z.object({ ok: z.boolean(), detail: z.string().optional(), latencyMs: z.number() })),
  /** That reported themselves within the last half minute; null while NATS does not say. */
  gateways: z.array(z.object({ gatewayId: z.string(), lastBeatAt: instantSchema })).nullable(),
  counts: z.object({
    accounts: z.number().int(),
    accountsDisabled: z.number().int(),
    users: z.number().int(),
    keysActive: z.number().int(),
    operators: z.number().int(),
  }),
  /** Changes of keys that gateways were not told of yet. */
  projections: z.object({ waiting: z.number().int(), oldestSince: instantSchema.nullable() }),
});
export type Installation = z.infer<typeof installationSchema>;
