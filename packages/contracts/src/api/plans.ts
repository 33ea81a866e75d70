import { z } from 'zod';
import { planSchema } from '../dashboard-api.js';
import { uuid7Schema } from '../identity.js';
import { nanoUsdAmountSchema, usdSchema } from '../nano-usd.js';
import { completeListSchemaOf } from './pages.js';

/** Plans as an account sees them, and what a change of plan means for its keys (spec TL-2, TS-7). */

export const planOfferSchema = planSchema.extend({
  /** Per month, apart from usage; null = agreed one by one. */
  feeUsd: usdSchema.nullable(),
  feeNanoUsd: nanoUsdAmountSchema.nullable(),
  /** Requests per rolling minute over all keys of the account; null = no limit of its own. */
  rpmPerAccountMax: z.number().int().nullable(),
  /** Null = unlimited. */
  knowledgeBasesMax: z.number().int().nullable(),
  /** Bytes; null = unlimited. */
  storageBytesMax: z.number().int().nullable(),
  /** Fee and ceilings are agreed one by one. */
  isCustom: z.boolean(),
  /** The account's plan now. */
  isCurrent: z.boolean(),
  /** Whether the account can change to it by itself. */
  isSelectable: z.boolean(),
});
export type PlanOffer = z.infer<typeof planOfferSchema>;

/** There are as many as an operator made: a handful, so the list is always one page. */
export const planListSchema = completeListSchemaOf(planOfferSchema);
export type PlanList = z.infer<typeof planListSchema>;

export const planChoiceSchema = z.strictObject({ planId: z.string().min(1).max(64) });
export type PlanChoice = z.infer<typeof planChoiceSchema>;

/** What is in force of one active key before and after. A limit that stays is the same on both sides. */
const keyChangeSchema = z.object({
  id: uuid7Schema,
  name: z.string(),
  preview: z.string(),
  rpm: z.object({ from: z.number().int(), to: z.number().int() }),
  budgetUsd: z.object({ from: usdSchema, to: usdSchema }),
  /** "*" alone = every model; empty = every call of the key is refused. */
  models: z.object({ from: z.array(z.string()), to: z.array(z.string()) }),
  /** Models that the key can call now and could not afterwards. */
  modelsRemoved: z.array(z.string()),
  /** True when the key keeps no model at all: it exists, and every call is refused. */
  hasNoModelLeft: z.boolean(),
});

export const planChangeSchema = z.object({
  from: planOfferSchema,
  to: planOfferSchema,
  /** False when the way back is not the account's to choose. */
  isReversible: z.boolean(),
  keysActive: z.number().int(),
  /** Active keys above the new plan's number. They go on; nothing can be minted until so many are revoked or expire. */
  keysSurplus: z.number().int(),
  /** Of the account, as `GET /api/account` shows it: what If-Match compares. */
  version: z.number().int(),
  /** Active keys whose limits or models change, the latest first. Keys that change in nothing are left out. */
  keys: z.array(keyChangeSchema),
});
export type PlanChange = z.infer<typeof planChangeSchema>;
