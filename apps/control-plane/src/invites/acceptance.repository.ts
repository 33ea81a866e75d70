import { Inject, Injectable } from '@nestjs/common';
import { type Role, roleSchema } from '@tensorloop/contracts/dashboard-api';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { AuditTrail } from '../audit/audit.trail.js';
import type { Acceptance, Offer } from './invites.rules.js';

/** What is known of an invitation and of the person who has its link, while account and person are locked. */
export interface PresentedInvite extends Omit<Acceptance, 'isVerificationPossible'> {
  accountName: string;
  /** The membership, and the end of the invitation. */
  accept(now: Date): Promise<void>;
}

export interface OfferedInvite extends Offer {
  accountName: string;
  inviterEmail: string;
}

/** Finds an invitation by the hash of its token, and makes its holder a member. */
@Injectable()
export class AcceptanceRepository {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {}

  /** The invitation of a token, for whoever has it. By the hash alone nothing but its own row is to be seen. */
  async findOffered(tokenHash: string): Promise<OfferedInvite | null> {
    const accountId = await this.findAccountId(tokenHash);
    if (accountId === null) return null;
    return this.control.withAccount(accountId, async (tx) => {
      const row = await tx.invite.findUnique({ where: { tokenHash }, include: { account: true } });
      if (row === null) return null;
      const { account, ...invite } = row;
      const inviter = await findInviter(tx, accountId, invite.invitedBy);
      return {
        invite: { ...invite, role: roleSchema.parse(invite.role) },
        accountName: account.name,
        isAccountActive: isActive(account),
        inviterRole: inviter?.role ?? null,
        inviterEmail: inviter?.email ?? '',
      };
    });
  }

  /** `work` is given null when there is no such invitation. By the hash alone nothing but its own row is to be seen. */
  async withPresented<T>(
    { tokenHash, userId }: { tokenHash: string; userId: string },
    work: (presented: PresentedInvite | null) => Promise<T>,
  ): Promise<T> {
    const accountId = await this.findAccountId(tokenHash);
    if (accountId === null) return work(null);
    return this.control.within({ accountId, userId }, async (tx) => {
      await tx.$queryRaw`SELECT FROM control.accounts WHERE id = ${accountId}::uuid FOR NO KEY UPDATE`;
      await tx.$queryRaw`SELECT FROM control.users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`;
      return work(await this.describe(tx, { accountId, userId, tokenHash }));
    });
  }

  private async findAccountId(tokenHash: string): Promise<string | null> {
    const found = await this.control.within({ presentedHash: tokenHash }, (tx) =>
      tx.invite.findUnique({ where: { tokenHash }, select: { accountId: true } }),
    );
    return found?.accountId ?? null;
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
      isAccountActive: isActive(account),
      inviterRole: (await findInviter(tx, accountId, invite.invitedBy))?.role ?? null,
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

/** Who made it, while that is a member. */
async function findInviter(
  tx: ControlTransaction,
  accountId: string,
  userId: string,
): Promise<{ role: Role; email: string } | null> {
  const row = await tx.membership.findUnique({
    where: { accountId_userId: { accountId, userId } },
    select: { role: true, user: { select: { email: true } } },
  });
  return row === null ? null : { role: roleSchema.parse(row.role), email: row.user.email };
}

function isActive({ disabledAt, deleteAfter }: { disabledAt: Date | null; deleteAfter: Date | null }): boolean {
  return disabledAt === null && deleteAfter === null;
}
