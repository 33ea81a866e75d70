import type { Role } from '@tensorloop/contracts/dashboard-api';

export interface StoredInvite {
  id: string;
  accountId: string;
  email: string;
  role: Role;
  invitedBy: string;
  createdAt: Date;
  expiresAt: Date;
  acceptedAt: Date | null;
  revokedAt: Date | null;
}

/** An invitation with the address of who made it, or null when that is no member any more. */
export interface ListedInvite {
  invite: StoredInvite;
  inviterEmail: string | null;
}

/** What the queue of mails carries, sealed: the token is stored nowhere. */
export interface InviteMail {
  accountId: string;
  inviteId: string;
  token: string;
}
