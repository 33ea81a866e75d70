import { z } from 'zod';
import { meSchema, roleSchema } from '../dashboard-api.js';
import { uuid7Schema } from '../identity.js';
import { pageQuerySchema, pageSchemaOf } from './pages.js';

/** Who belongs to an account, and who is asked to. */

const instantSchema = z.iso.datetime();

export const MEMBERS_PER_ACCOUNT_MAX = 200;
export const INVITES_OPEN_MAX = 50;
export const INVITES_PER_DAY_MAX = 200;
export const INVITE_EXPIRY_DAYS = 7;

const emailSchema = z.string().trim().toLowerCase().pipe(z.email().max(254));

export const memberSchema = z.object({
  userId: uuid7Schema,
  email: z.string(),
  /** What the person wants to be called; empty = never said. */
  name: z.string(),
  role: roleSchema,
  joinedAt: instantSchema,
  isCurrent: z.boolean().describe('Whether this is the person who asks; always false for a management token.'),
  /** Of the membership: what If-Match compares. */
  version: z.number().int(),
});
export type Member = z.infer<typeof memberSchema>;
export const memberPageSchema = pageSchemaOf(memberSchema);

export const memberPatchSchema = z.strictObject({ role: roleSchema });
export type MemberPatch = z.infer<typeof memberPatchSchema>;

export const inviteCreateSchema = z.strictObject({
  email: emailSchema,
  /** At most what the inviter's own role permits. */
  role: roleSchema,
});
export type InviteCreate = z.infer<typeof inviteCreateSchema>;

export const inviteSchema = z.object({
  id: uuid7Schema,
  email: z.string(),
  role: roleSchema,
  invitedBy: z.object({ userId: uuid7Schema, email: z.string().nullable() }),
  createdAt: instantSchema,
  expiresAt: instantSchema,
  status: z.enum(['open', 'expired', 'accepted', 'revoked']),
});
export type Invite = z.infer<typeof inviteSchema>;

/** `link` is given only when no mail could be sent, and only this once: hand it to the person yourself. */
export const inviteSentSchema = inviteSchema.extend({ isMailed: z.boolean(), link: z.string().nullable() });
export type InviteSent = z.infer<typeof inviteSentSchema>;

export const invitePageSchema = pageSchemaOf(inviteSchema);
export const inviteListQuerySchema = pageQuerySchema.extend({
  /** Accepted and revoked invitations leave the list unless asked for. */
  include: z.enum(['inactive']).optional(),
});
export type InviteListQuery = z.infer<typeof inviteListQuerySchema>;

/** The token of the link: 32 random bytes in base64url. */
export const inviteTokenSchema = z.strictObject({
  token: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'expected the token out of the link, copied whole'),
});
export type InviteToken = z.infer<typeof inviteTokenSchema>;

/** What is asked of the person who has the link. Shown to whoever has it, signed in or not. */
export const inviteOfferSchema = z.object({
  accountId: uuid7Schema,
  accountName: z.string(),
  role: roleSchema,
  email: z.string().describe('Whom the invitation is for: it is accepted by whoever signs in with this address.'),
  invitedBy: z.string().describe('The address of who made it.'),
  expiresAt: instantSchema,
});
export type InviteOffer = z.infer<typeof inviteOfferSchema>;

export const inviteAcceptSchema = inviteTokenSchema.extend({
  switchesAccount: z
    .boolean()
    .default(false)
    .describe('Whether the session shall act for that account from now on, as by `POST /api/accounts/{id}/switch`.'),
});
export type InviteAccept = z.infer<typeof inviteAcceptSchema>;

export const inviteAcceptedSchema = z.object({
  accountId: uuid7Schema,
  accountName: z.string(),
  role: roleSchema,
  me: meSchema.nullable().describe('Who the session is now, where it was switched; else null.'),
});
export type InviteAccepted = z.infer<typeof inviteAcceptedSchema>;
