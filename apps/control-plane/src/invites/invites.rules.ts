import { createHash, randomBytes } from 'node:crypto';
import {
  INVITE_EXPIRY_DAYS,
  INVITES_OPEN_MAX,
  INVITES_PER_DAY_MAX,
  type Invite,
  MEMBERS_PER_ACCOUNT_MAX,
} from '@tensorloop/contracts/api/members';
import type { Role } from '@tensorloop/contracts/dashboard-api';
import { outranks } from '../access/permission.types.js';
import type { StoredInvite } from './invites.types.js';

const DAY_MS = 86_400_000;
const TOKEN_BYTES = 32;
/** Between two mails of one invitation: nobody's mailbox is filled through us. */
export const RESEND_INTERVAL_MS = 60_000;

export function newInviteToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}

/** What is stored. A plain hash suffices: the token has 256 random bits, so there is nothing to guess. */
export function inviteTokenHash(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

export function inviteExpiry(sentAtMs: number): Date {
  return new Date(sentAtMs + INVITE_EXPIRY_DAYS * DAY_MS);
}

/** The token is behind "#": browsers keep that part to themselves, so it is in no log and no Referer. */
export function inviteLink(publicUrl: string, token: string): string {
  return `${publicUrl}/accept-invite#token=${token}`;
}

export function inviteStatus(
  invite: Pick<StoredInvite, 'acceptedAt' | 'revokedAt' | 'expiresAt'>,
  nowMs: number,
): Invite['status'] {
  if (invite.acceptedAt !== null) return 'accepted';
  if (invite.revokedAt !== null) return 'revoked';
  return invite.expiresAt.getTime() <= nowMs ? 'expired' : 'open';
}

export type InviteRefusalCode =
  | 'account_not_active'
  | 'role_above_own'
  | 'already_member'
  | 'invite_open_already'
  | 'invite_limit_reached'
  | 'invite_daily_limit_reached';

export interface InvitingAccount {
  isActive: boolean;
  isMember: boolean;
  /** Of the same address, neither accepted nor revoked nor expired. */
  hasOpenInvite: boolean;
  openInvites: number;
  invitesOfLastDay: { count: number; oldestMs: number | null };
}

/** Why somebody cannot be invited, or null. */
export function refuseInvite(account: InvitingAccount, roles: { own: Role; wanted: Role }): InviteRefusalCode | null {
  if (!account.isActive) return 'account_not_active';
  if (!outranks(roles.own, roles.wanted)) return 'role_above_own';
  if (account.isMember) return 'already_member';
  if (account.hasOpenInvite) return 'invite_open_already';
  if (account.openInvites >= INVITES_OPEN_MAX) return 'invite_limit_reached';
  return account.invitesOfLastDay.count >= INVITES_PER_DAY_MAX ? 'invite_daily_limit_reached' : null;
}

/** The limits in time of an account's invitations, as callers are told them. */
export const INVITE_POLICIES = {
  daily: { name: 'invites-by-account', quota: INVITES_PER_DAY_MAX, windowMs: DAY_MS },
  resend: { name: 'mails-by-invite', quota: 1, windowMs: RESEND_INTERVAL_MS },
} as const;

/** Until the oldest invitation of the last day is no longer one of it. */
export function dailyWaitMs(
  { invitesOfLastDay: { oldestMs } }: Pick<InvitingAccount, 'invitesOfLastDay'>,
  nowMs: number,
): number {
  return Math.max(0, (oldestMs ?? nowMs) + DAY_MS - nowMs);
}

/** How long until an invitation may be sent again; 0 = now. It was last sent when its expiry was set. */
export function resendWaitMs(invite: Pick<StoredInvite, 'expiresAt'>, nowMs: number): number {
  const sentAtMs = invite.expiresAt.getTime() - INVITE_EXPIRY_DAYS * DAY_MS;
  return Math.max(0, sentAtMs + RESEND_INTERVAL_MS - nowMs);
}

export type AcceptRefusalCode =
  | 'invite_invalid'
  | 'account_not_active'
  | 'invite_for_other_address'
  | 'email_unverified'
  | 'already_member'
  | 'members_limit_reached'
  | 'memberships_limit_reached';

/** An invitation as whoever has its token sees it. */
export interface Offer {
  invite: StoredInvite;
  isAccountActive: boolean;
  /** Of who made it, now; null = no member any more. */
  inviterRole: Role | null;
}

export type OfferRefusalCode = Extract<AcceptRefusalCode, 'invite_invalid' | 'account_not_active'>;

/** Why nobody can accept an invitation, or null. One that its maker could not make any more is void. */
export function refuseOffer({ invite, inviterRole, isAccountActive }: Offer, nowMs: number): OfferRefusalCode | null {
  if (inviteStatus(invite, nowMs) !== 'open') return 'invite_invalid';
  if (inviterRole === null || !outranks(inviterRole, invite.role)) return 'invite_invalid';
  return isAccountActive ? null : 'account_not_active';
}

export interface Acceptance extends Offer {
  user: { email: string; isVerified: boolean };
  /** False where no mail can be sent: then nobody can prove an address, and whoever handed the link over vouches for it. */
  isVerificationPossible: boolean;
  isMember: boolean;
  members: number;
  memberships: number;
}

/** Why somebody cannot accept an invitation, or null. What is theirs to do comes before what the account has to. */
export function refuseAcceptance(
  acceptance: Acceptance,
  limits: { membershipsMax: number; nowMs: number },
): AcceptRefusalCode | null {
  const { invite, user } = acceptance;
  const ofOffer = refuseOffer(acceptance, limits.nowMs);
  if (ofOffer === 'invite_invalid') return ofOffer;
  if (user.email !== invite.email) return 'invite_for_other_address';
  if (!user.isVerified && acceptance.isVerificationPossible) return 'email_unverified';
  if (ofOffer !== null) return ofOffer;
  if (acceptance.isMember) return 'already_member';
  if (acceptance.members >= MEMBERS_PER_ACCOUNT_MAX) return 'members_limit_reached';
  return acceptance.memberships >= limits.membershipsMax ? 'memberships_limit_reached' : null;
}
