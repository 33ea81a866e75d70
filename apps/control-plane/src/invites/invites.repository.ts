import { Inject, Injectable } from '@nestjs/common';
import type { InviteSent } from '@tensorloop/contracts/api/members';
import { type Role, roleSchema } from '@tensorloop/contracts/dashboard-api';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { AuditTrail } from '../audit/audit.trail.js';
import type { AuditAction } from '../audit/audit.types.js';
import { IdempotencyTrail } from '../idempotency/idempotency.trail.js';
import type { InvitingAccount } from './invites.rules.js';
import type { ListedInvite, StoredInvite } from './invites.types.js';

const DAY_MS = 86_400_000;
const STORED = {
  id: true,
  accountId: true,
  email: true,
  role: true,
  invitedBy: true,
  createdAt: true,
  expiresAt: true,
  acceptedAt: true,
  revokedAt: true,
} as const;

export interface NewInvite {
  id: string;
  email: string;
  role: Role;
  tokenHash: string;
  invitedBy: string;
  createdAt: Date;
  expiresAt: Date;
}

/** An account while its row is locked: parallel invitations queue on it. */
export interface LockedInvites {
  /** How it stands with one address. */
  describe(email: string): Promise<InvitingAccount>;
  insert(invite: NewInvite): Promise<StoredInvite>;
  find(id: string): Promise<StoredInvite | null>;
  renew(invite: StoredInvite, change: { tokenHash: string; expiresAt: Date }): Promise<StoredInvite>;
  revoke(invite: StoredInvite): Promise<void>;
  /** What a repetition with the same Idempotency-Key is answered. Without the link. */
  recordAnswer(answer: InviteSent): Promise<void>;
}

@Injectable()
export class InvitesRepository {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
    @Inject(IdempotencyTrail) private readonly answers: IdempotencyTrail,
  ) {}

  withLockedAccount<T>(accountId: string, now: Date, work: (invites: LockedInvites) => Promise<T>): Promise<T> {
    return this.control.withAccount(accountId, async (tx) => {
      await tx.$queryRaw`SELECT FROM control.accounts WHERE id = ${accountId}::uuid FOR NO KEY UPDATE`;
      return work({ describe: (email) => describe(tx, accountId, { email, now }), ...this.changesOf(tx, accountId, now) });
    });
  }

  /** In the order of their ids. */
  listInvites(
    accountId: string,
    { after, limit, includesInactive }: { after: string | null; limit: number; includesInactive: boolean },
  ): Promise<ListedInvite[]> {
    return this.control.withAccount(accountId, async (tx) => {
      const rows = await tx.invite.findMany({
        where: {
          accountId,
          ...(after === null ? {} : { id: { gt: after } }),
          ...(includesInactive ? {} : { acceptedAt: null, revokedAt: null }),
        },
        orderBy: { id: 'asc' },
        take: limit,
        select: STORED,
      });
      const emails = await findEmails(tx, accountId, [...new Set(rows.map(({ invitedBy }) => invitedBy))]);
      return rows.map((row) => ({ invite: toStored(row), inviterEmail: emails.get(row.invitedBy) ?? null }));
    });
  }

  /** For the mail: what it says, as it is when the mail's turn has come. */
  findForMail(accountId: string, id: string): Promise<(ListedInvite & { accountName: string; tokenHash: string }) | null> {
    return this.control.withAccount(accountId, async (tx) => {
      const row = await tx.invite.findUnique({
        where: { accountId_id: { accountId, id } },
        select: { ...STORED, tokenHash: true, account: { select: { name: true } } },
      });
      if (row === null) return null;
      const { account, tokenHash, ...invite } = row;
      const emails = await findEmails(tx, accountId, [invite.invitedBy]);
      const inviterEmail = emails.get(invite.invitedBy) ?? null;
      return { invite: toStored(invite), inviterEmail, accountName: account.name, tokenHash };
    });
  }

  /** Once it is known that the mail goes out. Before, a repetition is told that it did not, and sends the invitation again. */
  async amendAnswer(accountId: string, answer: InviteSent): Promise<void> {
    if (!this.answers.isFollowing) return;
    await this.control.withAccount(accountId, (tx) => this.answers.record(tx, answer));
  }

  private changesOf(tx: ControlTransaction, accountId: string, now: Date): Omit<LockedInvites, 'describe'> {
    const append = (action: AuditAction, { id, email, role }: StoredInvite) =>
      this.audit.append(tx, { accountId, action, subject: { kind: 'invite', id }, details: { email, role } });
    const idOf = (id: string) => ({ accountId_id: { accountId, id } });
    return {
      insert: async (invite) => {
        // Expired ones keep their place until somebody needs it.
        await tx.invite.updateMany({
          where: { accountId, email: invite.email, acceptedAt: null, revokedAt: null },
          data: { revokedAt: now },
        });
        const stored = toStored(await tx.invite.create({ data: { ...invite, accountId }, select: STORED }));
        await append('invite.created', stored);
        return stored;
      },
      find: async (id) => {
        const row = await tx.invite.findUnique({ where: idOf(id), select: STORED });
        return row === null ? null : toStored(row);
      },
      renew: async (invite, change) => {
        const stored = toStored(await tx.invite.update({ where: idOf(invite.id), data: change, select: STORED }));
        await append('invite.resent', stored);
        return stored;
      },
      revoke: async (invite) => {
        await tx.invite.update({ where: idOf(invite.id), data: { revokedAt: now }, select: { id: true } });
        await append('invite.revoked', invite);
      },
      recordAnswer: (answer) => this.answers.record(tx, answer),
    };
  }
}

async function describe(
  tx: ControlTransaction,
  accountId: string,
  { email, now }: { email: string; now: Date },
): Promise<InvitingAccount> {
  const { disabledAt, deleteAfter } = await tx.account.findUniqueOrThrow({
    where: { id: accountId },
    select: { disabledAt: true, deleteAfter: true },
  });
  const ofLastDay = await tx.invite.aggregate({
    where: { accountId, createdAt: { gt: new Date(now.getTime() - DAY_MS) } },
    _count: true,
    _min: { createdAt: true },
  });
  const open = { accountId, acceptedAt: null, revokedAt: null, expiresAt: { gt: now } };
  return {
    isActive: disabledAt === null && deleteAfter === null,
    isMember: (await tx.membership.count({ where: { accountId, user: { email } } })) > 0,
    hasOpenInvite: (await tx.invite.count({ where: { ...open, email } })) > 0,
    openInvites: await tx.invite.count({ where: open }),
    invitesOfLastDay: { count: ofLastDay._count, oldestMs: ofLastDay._min.createdAt?.getTime() ?? null },
  };
}

async function findEmails(
  tx: ControlTransaction,
  accountId: string,
  userIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await tx.membership.findMany({
    where: { accountId, userId: { in: [...userIds] } },
    select: { userId: true, user: { select: { email: true } } },
  });
  return new Map(rows.map(({ userId, user }) => [userId, user.email]));
}

function toStored(row: Omit<StoredInvite, 'role'> & { role: string }): StoredInvite {
  return { ...row, role: roleSchema.parse(row.role) };
}
