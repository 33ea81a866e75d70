import { z } from 'zod';
import { accountTagSchema, uuid7Schema } from './identity.js';
import { nanoUsdAmountSchema } from './nano-usd.js';

/**
 * A spending scope of one account, as a short text that is also a Redis key suffix:
 * `window:<keyId>:<index>` (a key's 30-day window), `project:<projectId>:<index>` (the same of a project, counted from its
 * creation), `day:<YYYY-MM-DD>` (the account's UTC day) or `balance` (all that a prepaid account ever spent, against all that
 * it was ever granted).
 */
export const scopeSchema = z.string().regex(/^((window|project):[0-9a-f-]{36}:\d{1,6}|day:\d{4}-\d{2}-\d{2}|balance)$/);
export type Scope = z.infer<typeof scopeSchema>;

export function windowScope(keyId: string, index: number): Scope {
  return `window:${keyId}:${index}`;
}

export function projectScope(projectId: string, index: number): Scope {
  return `project:${projectId}:${index}`;
}

export const BALANCE_SCOPE: Scope = 'balance';

export function dayScope(day: string): Scope {
  return `day:${day}`;
}

/** Metering's committed total of a scope: absolute, with a version that grows by one at each change. Version 0 = no row. */
export const scopeTotalSchema = z.object({
  scope: scopeSchema,
  totalNanoUsd: nanoUsdAmountSchema,
  version: z.number().int().nonnegative(),
  /** Of the scope `balance` only: the sum of the account's grants. A new grant raises the version too. */
  limitNanoUsd: nanoUsdAmountSchema.optional(),
});
export type ScopeTotal = z.infer<typeof scopeTotalSchema>;

/** The settle-acks of one account out of one committed batch. The totals include every id listed. */
export const accountSettledSchema = z.object({
  accountTag: accountTagSchema,
  requestIds: z.array(uuid7Schema).min(1),
  totals: z.array(scopeTotalSchema),
});
export type AccountSettled = z.infer<typeof accountSettledSchema>;

/**
 * `gateway.settled.v1`: metering → the gateway that owns the calls (core NATS, subject per gateway), after COMMIT only.
 * Duplicates and quarantined calls are acknowledged too. A lost message is harmless: the gateway publishes the call again.
 */
export const gatewaySettledSchema = z.object({
  v: z.literal(1),
  accounts: z.array(accountSettledSchema).min(1),
  /** This metering takes `request.completed.batch.v1`; one that does not say so would quarantine it. */
  takesBatches: z.boolean().optional(),
});
export type GatewaySettled = z.infer<typeof gatewaySettledSchema>;
