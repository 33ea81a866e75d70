import type { Invite } from '@tensorloop/contracts/api/members';
import { uuid7Schema } from '@tensorloop/contracts/identity';
import { z } from 'zod';
import { inviteStatus } from './invites.rules.js';
import type { ListedInvite } from './invites.types.js';

export const inviteParamsSchema = z.strictObject({ id: uuid7Schema });
export type InviteParams = z.infer<typeof inviteParamsSchema>;

export function toInvite({ invite, inviterEmail }: ListedInvite, nowMs: number): Invite {
  const { id, email, role, createdAt, expiresAt } = invite;
  return {
    id,
    email,
    role,
    invitedBy: { userId: invite.invitedBy, email: inviterEmail },
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    status: inviteStatus(invite, nowMs),
  };
}
