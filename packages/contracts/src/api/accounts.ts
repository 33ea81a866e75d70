import { z } from 'zod';
import { ACCOUNT_KINDS, ACCOUNT_STATUSES, keyCreateSchema, roleSchema } from '../dashboard-api.js';
import { uuid7Schema } from '../identity.js';
import { pageSchemaOf } from './pages.js';

/** Accounts: the tenants that a person belongs to, and the one that the caller acts for (spec TL-1). */

const instantSchema = z.iso.datetime();

/** From the request until an account is erased; until then the deletion can be taken back. */
export const DELETION_GRACE_DAYS = 14;
/** Accounts that one person may own, and belong to. */
export const ACCOUNTS_OWNED_MAX = 10;
export const ACCOUNTS_PER_USER_MAX = 50;

export const accountNameSchema = keyCreateSchema.shape.name;
export const accountWriteSchema = z.strictObject({ name: accountNameSchema });
export type AccountWrite = z.infer<typeof accountWriteSchema>;

const accountStatusSchema = z.enum(ACCOUNT_STATUSES);
export type AccountStatus = z.infer<typeof accountStatusSchema>;

export const accountSchema = z.object({
  id: uuid7Schema,
  name: z.string(),
  planId: z.string(),
  kind: z.enum(ACCOUNT_KINDS),
  status: accountStatusSchema,
  createdAt: instantSchema,
  /** When it will be erased; null = deletion was not asked for. */
  deleteAfter: instantSchema.nullable(),
  /** What If-Match compares. */
  version: z.number().int(),
});
export type Account = z.infer<typeof accountSchema>;

export const accountMembershipSchema = accountSchema.omit({ version: true }).extend({
  /** The caller's in it. */
  role: roleSchema,
  /** Whether the caller's session acts for it. */
  isCurrent: z.boolean(),
});
export type AccountMembership = z.infer<typeof accountMembershipSchema>;
export const accountPageSchema = pageSchemaOf(accountMembershipSchema);
