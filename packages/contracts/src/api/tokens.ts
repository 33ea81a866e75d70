import { z } from 'zod';
import { EXPIRY_DAYS_DEFAULT, EXPIRY_DAYS_MAX, keyCreateSchema, roleSchema } from '../dashboard-api.js';
import { uuid7Schema } from '../identity.js';
import { pageQuerySchema, pageSchemaOf } from './pages.js';

/** Management tokens: `tlm_…` opens `/api/*` for scripts, within a role, and never `/v1/*` (spec TL-6). */

const instantSchema = z.iso.datetime();

/** Tokens of an account that open anything at once. */
export const TOKENS_PER_ACCOUNT_MAX = 50;

export const tokenCreateSchema = z.strictObject({
  name: keyCreateSchema.shape.name,
  /** At most what the creator's own role permits. */
  role: roleSchema,
  expiresInDays: z.number().int().min(1).max(EXPIRY_DAYS_MAX).default(EXPIRY_DAYS_DEFAULT),
});
export type TokenCreate = z.infer<typeof tokenCreateSchema>;

export const tokenSchema = z.object({
  id: uuid7Schema,
  name: z.string(),
  /** First and last characters, enough to recognise a token and useless to call with. */
  preview: z.string(),
  role: roleSchema,
  /** The member who answers for it: it stops when that member leaves, is disabled, or has a lesser role. */
  createdBy: z.object({ userId: uuid7Schema, email: z.string().nullable() }),
  createdAt: instantSchema,
  expiresAt: instantSchema,
  /** Up to a minute behind. */
  lastUsedAt: instantSchema.nullable(),
  /** `stopped`: whoever created it is no member any more, or has a lesser role than the token. */
  status: z.enum(['active', 'revoked', 'expired', 'stopped']),
});
export type Token = z.infer<typeof tokenSchema>;

/** The only answer that ever carries the text; repeated for its Idempotency-Key it carries null. */
export const tokenCreatedSchema = tokenSchema.extend({ token: z.string().nullable() });
export type TokenCreated = z.infer<typeof tokenCreatedSchema>;

export const tokenPageSchema = pageSchemaOf(tokenSchema);
export const tokenListQuerySchema = pageQuerySchema.extend({
  /** Revoked and expired tokens leave the list unless asked for. */
  include: z.enum(['inactive']).optional(),
});
export type TokenListQuery = z.infer<typeof tokenListQuerySchema>;
