import { z } from 'zod';
import { endpointSchema } from './endpoint.js';
import { accountTagSchema, daySchema, gatewayIdSchema, modelIdSchema, unixMsSchema, uuid7Schema } from './identity.js';
import { nanoUsdAmountSchema } from './nano-usd.js';
import { tagsSchema } from './tags.js';
import { usageSchema } from './usage.js';

/**
 * How an admitted call ended.
 *
 * | outcome          | charged                                                        |
 * |------------------|----------------------------------------------------------------|
 * | `completed`      | full usage                                                     |
 * | `client_aborted` | full usage: the upstream is read to its end (spec TL-9)         |
 * | `upstream_error` | nothing (spec TL-9): status ≥ 400, refused, timed out           |
 * | `upstream_cut`   | nothing: the upstream broke off before its end                 |
 * | `drain_capped`   | what was counted, `estimated`: the drain after an abort hit its bound |
 * | `gateway_died`   | what the last durable progress record counted, `estimated`     |
 */
export const OUTCOMES = [
  'completed',
  'client_aborted',
  'upstream_error',
  'upstream_cut',
  'drain_capped',
  'gateway_died',
] as const;
export const outcomeSchema = z.enum(OUTCOMES);
export type Outcome = z.infer<typeof outcomeSchema>;

/** Of calls that brought their client no answer, whoever is to blame. */
export const FAILED_OUTCOMES = ['upstream_error', 'upstream_cut', 'gateway_died'] as const satisfies readonly Outcome[];

export function isFailed(outcome: Outcome): boolean {
  return (FAILED_OUTCOMES as readonly Outcome[]).includes(outcome);
}

/** Tries that an event may list. */
export const ATTEMPTS_MAX = 16;

/** One try at an upstream. */
const attemptFieldsSchema = z.object({
  provider: z.string().max(64),
  upstreamModel: z.string().max(128),
  /** HTTP status, or null when no response head arrived. */
  status: z.number().int().nullable(),
  /** Short machine word for a failure ("connect_refused", "timeout", "cut"), or null. */
  failure: z.string().max(64).nullable(),
  latencyMs: z.number().nonnegative(),
});
export const attemptSchema = attemptFieldsSchema.loose();
export type Attempt = z.infer<typeof attemptFieldsSchema>;

const requestCompletedFieldsSchema = z.object({
  v: z.literal(1),
  requestId: uuid7Schema,
  accountId: uuid7Schema,
  accountTag: accountTagSchema,
  keyId: uuid7Schema,
  model: modelIdSchema,
  endpoint: endpointSchema,
  gatewayId: gatewayIdSchema,
  stream: z.boolean(),
  /** Redis TIME at admission. Freezes everything below it, however late the call settles. */
  admittedAtMs: unixMsSchema,
  windowIndex: z.number().int().nonnegative(),
  windowStartMs: unixMsSchema,
  day: daySchema,
  /** The account was prepaid at admission: the call counts in its balance as well. Absent = metered. */
  isPrepaid: z.literal(true).optional(),
  priceVersionId: uuid7Schema,
  holdNanoUsd: nanoUsdAmountSchema,
  /** The gateway's own price of `usage`, capped by the hold. Metering computes it again and quarantines a disagreement. */
  chargeNanoUsd: nanoUsdAmountSchema,
  /** What the price came to above the hold: the platform's loss, never the customer's. Usually "0". */
  overrunNanoUsd: nanoUsdAmountSchema,
  usage: usageSchema,
  /** True when `usage` was counted by us and not reported by the upstream. */
  estimated: z.boolean(),
  outcome: outcomeSchema,
  /** Status the client was (or would have been) answered with. */
  httpStatus: z.number().int(),
  completedAtMs: unixMsSchema,
  latencyMs: z.number().nonnegative(),
  /** Admission → first byte to the client; null when none was sent. */
  firstByteMs: z.number().nonnegative().nullable(),
  /** Where a call was tried more often: the first ones and the last. */
  attempts: z.array(attemptSchema).max(ATTEMPTS_MAX),
  /**
   * The project the key belonged to at admission, and the key's tags with those that the call's own header adds. Absent = none.
   * They say to whom a call is attributed and not what it costs: one that cannot be read is left out, and the call booked.
   */
  projectId: uuid7Schema.optional().catch(undefined),
  /** The project's 30-day window at admission, in whose total the call counts. With `projectId` only. */
  projectWindowIndex: z.number().int().nonnegative().optional(),
  projectWindowStartMs: unixMsSchema.optional(),
  tags: tagsSchema.optional().catch(undefined),
});

/**
 * `request.completed.v1`: one per admitted call, whatever became of it. Published by the gateway that admitted it with
 * `Nats-Msg-Id` = request id, until metering settle-acks it. Metering treats a second copy with the same content as a
 * duplicate and one with other content as an intruder (quarantined).
 *
 * Fields that a later release added are kept and not refused: gateways and metering are deployed, and rolled back, alone,
 * and a refusal would quarantine every call of a newer gateway. They cannot move money: the price is computed again from the
 * fields below, and a dimension or an outcome that is unknown here is still refused.
 */
export const requestCompletedSchema = requestCompletedFieldsSchema.loose();
export type RequestCompleted = z.infer<typeof requestCompletedFieldsSchema>;
