import { Inject, Injectable } from '@nestjs/common';
import { type Role, roleSchema } from '@tensorloop/contracts/dashboard-api';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { AuditTrail } from '../audit/audit.trail.js';
import type { StoredMember } from './members.types.js';

const WITH_USER = { user: { select: { email: true, name: true } } } as const;

/** The members of an account while its row is locked: other changes of members wait. */
export interface LockedMembers {
  owners: number;
  find(userId: string): Promise<StoredMember | null>;
  setRole(member: StoredMember, role: Role): Promise<StoredMember>;
  remove(member: StoredMember, event: { isSelf: boolean }): Promise<void>;
}

@Injectable()
export class MembersRepository {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {}

  /** In the order of their ids. */
  async listMembers(accountId: string, { after, limit }: { after: string | null; limit: number }): Promise<StoredMember[]> {
    const rows = await this.control.withAccount(accountId, (tx) =>
      tx.membership.findMany({
        where: { accountId, ...(after === null ? {} : { userId: { gt: after } }) },
        orderBy: { userId: 'asc' },
        take: limit,
        include: WITH_USER,
      }),
    );
    return rows.map(toStored);
  }

  async findMember(accountId: string, userId: string): Promise<StoredMember | null> {
    const row = await this.control.withAccount(accountId, (tx) =>
      tx.membership.findUnique({ where: { accountId_userId: { accountId, userId } }, include: WITH_USER }),
    );
    return row === null ? null : toStored(row);
  }

  withLockedMembers<T>(accountId: string, work: (members: LockedMembers) => Promise<T>): Promise<T> {
    return this.control.withAccount(accountId, async (tx) => {
      await tx.$queryRaw`SELECT FROM control.accounts WHERE id = ${accountId}::uuid FOR NO KEY UPDATE`;
      const owners = await tx.membership.count({ where: { accountId, role: 'owner' satisfies Role } });
      return work({ owners, ...this.changesOf(tx, accountId) });
    });
  }

  private changesOf(tx: ControlTransaction, accountId: string): Omit<LockedMembers, 'owners'> {
    const idOf = (userId: string) => ({ accountId_userId: { accountId, userId } });
    return {
      find: async (userId) => {
        const row = await tx.membership.findUnique({ where: idOf(userId), include: WITH_USER });
        return row === null ? null : toStored(row);
      },
      setRole: async ({ userId, email, role: from }, role) => {
        const row = await tx.membership.update({
          where: idOf(userId),
          data: { role, version: { increment: 1 } },
          include: WITH_USER,
        });
        const subject = { kind: 'user', id: userId };
        await this.audit.append(tx, { accountId, action: 'member.role_changed', subject, details: { email, from, to: role } });
        return toStored(row);
      },
      remove: async ({ userId, email, role }, { isSelf }) => {
        await tx.membership.delete({ where: idOf(userId) });
        const action = isSelf ? 'member.left' : 'member.removed';
        const subject = { kind: 'user', id: userId };
        await this.audit.append(tx, { accountId, action, subject, details: { email, role } });
      },
    };
  }
}

interface MemberRow {
  userId: string;
  role: string;
  createdAt: Date;
  version: number;
  user: { email: string; name: string };
}

function toStored(row: MemberRow): StoredMember {
  const { userId, createdAt: joinedAt, user, version } = row;
  return { userId, email: user.email, name: user.name, role: roleSchema.parse(row.role), joinedAt, version };
}
