import { Inject, Injectable } from '@nestjs/common';
import { type Role, roleSchema } from '@tensorloop/contracts/dashboard-api';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { isUniqueViolation } from '@tensorloop/db/database-errors';
import { announceActiveKeys, listUndeliveredKeys } from '@tensorloop/db/key-announcements';
import { AuditTrail } from '../audit/audit.trail.js';
import type { AuditAction } from '../audit/audit.types.js';
import { GOOGLE_ISSUER } from '../google/google.types.js';
import { IdempotencyTrail } from '../idempotency/idempotency.trail.js';
import { toCeilings } from '../plans/plans.types.js';
import type { PendingProjection } from '../projection/projection.types.js';
import { type AccountOfUser, FIRST_PLAN_ID, type Self, type StoredAccount } from './accounts.types.js';

const STORED = {
  id: true,
  tag: true,
  name: true,
  planId: true,
  kind: true,
  createdAt: true,
  deleteAfter: true,
  disabledAt: true,
  version: true,
} as const;

const SELF = {
  email: true,
  name: true,
  emailVerifiedAt: true,
  passwordHash: true,
  identities: { where: { issuer: GOOGLE_ISSUER }, take: 1, select: { issuer: true } },
  operator: { select: { userId: true } },
} as const;

export interface NewAccount {
  accountId: string;
  tag: string;
  name: string;
  userId: string;
}

/** What a further account hangs on. */
export interface Creation<Refusal> {
  /** Sees how many accounts the user has while no other can be created for the user; other than null is the refusal. */
  decide(counts: { owned: number; total: number }): Refusal | null;
  /** What a repetition with the same Idempotency-Key is answered. */
  toAnswer(account: StoredAccount): object;
}

/** An account while its row is locked: nothing is minted and no plan changed meanwhile. */
export interface LockedAccount {
  account: StoredAccount;
  rename(name: string): Promise<StoredAccount>;
  /** Sets or takes back the instant of deletion. Every active key is announced: none works while it is set. */
  setDeletion(deleteAfter: Date | null): Promise<{ account: StoredAccount; pending: PendingProjection[] }>;
  /** Changes of its keys that Redis may not hold yet. */
  listUndelivered(): Promise<PendingProjection[]>;
}

@Injectable()
export class AccountsRepository {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
    @Inject(IdempotencyTrail) private readonly answers: IdempotencyTrail,
  ) {}

  /** Also sees what only the user may see of themselves: how they sign in, and whether they operate the installation. */
  async getSelf(accountId: string, userId: string): Promise<Self> {
    const membership = await this.control.within({ accountId, userId }, (tx) =>
      tx.membership.findUniqueOrThrow({
        where: { accountId_userId: { accountId, userId } },
        select: { role: true, user: { select: SELF }, account: { select: { ...STORED, plan: true } } },
      }),
    );
    const { user, account } = membership;
    return {
      user: {
        id: userId,
        email: user.email,
        name: user.name,
        isVerified: user.emailVerifiedAt !== null,
        hasPassword: user.passwordHash !== null,
        hasGoogle: user.identities.length > 0,
        isOperator: user.operator !== null,
      },
      account,
      role: roleSchema.parse(membership.role),
      plan: toCeilings(account.plan),
    };
  }

  getAccount(accountId: string): Promise<StoredAccount> {
    return this.control.withAccount(accountId, (tx) =>
      tx.account.findUniqueOrThrow({ where: { id: accountId }, select: STORED }),
    );
  }

  /** Accounts of a user in the order of their ids. */
  async listAccounts(userId: string, page: { after: string | null; limit: number }): Promise<AccountOfUser[]> {
    const after = page.after === null ? {} : { accountId: { gt: page.after } };
    const rows = await this.control.withUser(userId, (tx) =>
      tx.membership.findMany({
        where: { userId, ...after },
        orderBy: { accountId: 'asc' },
        take: page.limit,
        include: { account: { select: STORED } },
      }),
    );
    return rows.map(({ account, role }) => ({ ...account, role: roleSchema.parse(role) }));
  }

  /** Account, membership of its owner, audit entry and recorded answer, all or none. False when the tag is taken. */
  async createAccount<Refusal>(
    { accountId, tag, name, userId }: NewAccount,
    { decide, toAnswer }: Creation<Refusal>,
  ): Promise<Refusal | StoredAccount | false> {
    try {
      return await this.control.within({ accountId, userId }, async (tx) => {
        await tx.$queryRaw`SELECT FROM control.users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`;
        const roles = await tx.membership.findMany({ where: { userId }, select: { role: true } });
        const refusal = decide({ owned: roles.filter(({ role }) => role === 'owner').length, total: roles.length });
        if (refusal !== null) return refusal;
        const data = { id: accountId, tag, name, planId: FIRST_PLAN_ID };
        const account = await tx.account.create({ data, select: STORED });
        await tx.membership.create({ data: { accountId, userId, role: 'owner' satisfies Role } });
        await this.append(tx, accountId, 'account.created', { name });
        await this.answers.recordLast(tx, toAnswer(account));
        return account;
      });
    } catch (err) {
      if (isUniqueViolation(err)) return false;
      throw err;
    }
  }

  /** In the log of the account that somebody begins to act in. False when it is none of the user's. */
  recordSwitch(accountId: string, userId: string): Promise<boolean> {
    return this.control.withAccount(accountId, async (tx) => {
      if ((await tx.membership.count({ where: { accountId, userId } })) === 0) return false;
      await this.append(tx, accountId, 'account.switched_to', {});
      return true;
    });
  }

  withLockedAccount<T>(accountId: string, nowMs: number, work: (locked: LockedAccount) => Promise<T>): Promise<T> {
    return this.control.withAccount(accountId, async (tx) => {
      await tx.$queryRaw`SELECT FROM control.accounts WHERE id = ${accountId}::uuid FOR NO KEY UPDATE`;
      const account = await tx.account.findUniqueOrThrow({ where: { id: accountId }, select: STORED });
      const update = (data: { name?: string; deleteAfter?: Date | null }) =>
        tx.account.update({ where: { id: accountId }, data: { ...data, version: { increment: 1 } }, select: STORED });
      return work({
        account,
        rename: async (name) => {
          const renamed = await update({ name });
          await this.append(tx, accountId, 'account.renamed', { from: account.name, to: name });
          return renamed;
        },
        setDeletion: async (deleteAfter) => {
          const changed = await update({ deleteAfter });
          const pending = await announceActiveKeys(tx, accountId, new Date(nowMs));
          const action = deleteAfter === null ? 'account.restored' : 'account.deletion_requested';
          await this.append(tx, accountId, action, deleteAfter === null ? {} : { deleteAfter: deleteAfter.toISOString() });
          return { account: changed, pending };
        },
        listUndelivered: () => listUndeliveredKeys(tx, accountId),
      });
    });
  }

  private append(tx: ControlTransaction, accountId: string, action: AuditAction, details: Record<string, unknown>) {
    return this.audit.append(tx, { accountId, action, subject: { kind: 'account', id: accountId }, details });
  }
}
