import { Inject, Injectable } from '@nestjs/common';
import { type Role, roleSchema } from '@tensorloop/contracts/dashboard-api';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { AuditTrail } from '../audit/audit.trail.js';
import type { Acceptance } from './invites.rules.js';

/** What is known of an invitation and of the person who has its link, while account and person are locked. */
export interface PresentedInvite extends Omit<Acceptance, 'isVerificationPossible'> {
  accountName: string;
  /** The membership, and the end of the invitation. */
  accept(now: Date): Promise<void>;
}

/** Finds an invitation by the hash of its token, and makes its holder a member. */
@Injectable()
export class AcceptanceRepository {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {}

  /** `work` is given null when there is no such invitation. By the hash alone nothing but its own row is to be seen. */
  async withPresented<T>(
    { tokenHash, userId }: { tokenHash: string; userId: string },
    work: (presented: PresentedInvite | null) => Promise<T>,
  ): Promise<T> {
    const found = await this.control.within({ presentedHash: tokenHash }, (tx) =>
      tx.invite.findUnique({ where: { tokenHash }, select: { accountId: true } }),
    );
    if (found === null) return work(null);
    const { accountId } = found;
    return this.control.within({ accountId, userId }, async (tx) => {
      await tx.$queryRaw`SELECT FROM control.accounts WHERE id = ${accountId}::uuid FOR NO KEY UPDATE`;
      await tx.$queryRaw`SELECT FROM control.users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`;
      return work(await this.describe(tx, { accountId, userId, tokenHash }));
    });
  }

  private async describe(
    tx: ControlTransaction,
    { accountId, userId, tokenHash }: { accountId: string; userId: string; tokenHash: string },
  ): Promise<PresentedInvite | null> {
    const row = await tx.invite.findUnique({ where: { tokenHash }, include: { account: true } });
    if (row === null) return null;
    const { account, ...invite } = row;
    const role = roleSchema.parse(invite.role);
    const user = await tx.user.findUniqueOrThrow({ where: { id: userId }, select: { email: true, emailVerifiedAt: true } });
    const own = await tx.membership.findMany({ where: { userId }, select: { accountId: true } });
    return {
      invite: { ...invite, role },
      accountName: account.name,
      isAccountActive: account.disabledAt === null && account.deleteAfter === null,
      inviterRole: await findRole(tx, accountId, invite.invitedBy),
      user: { email: user.email, isVerified: user.emailVerifiedAt !== null },
      isMember: own.some((membership) => membership.accountId === accountId),
      members: await tx.membership.count({ where: { accountId } }),
      memberships: own.length,
      accept: async (now) => {
        await tx.membership.create({ data: { accountId, userId, role, createdAt: now } });
        await tx.invite.update({
          where: { accountId_id: { accountId, id: invite.id } },
          data: { acceptedAt: now },
          select: { id: true },
        });
        await this.audit.append(tx, {
          accountId,
          action: 'member.joined',
          subject: { kind: 'user', id: userId },
          details: { email: user.email, role, inviteId: invite.id },
        });
      },
    };
  }
}

async function findRole(tx: ControlTransaction, accountId: string, userId: string): Promise<Role | null> {
  const row = await tx.membership.findUnique({ where: { accountId_userId: { accountId, userId } }, select: { role: true } });
  return row === null ? null : roleSchema.parse(row.role);
}
