import { Inject, Injectable } from '@nestjs/common';
import { OPERATOR_KEYS_SHOWN_MAX, OPERATOR_MEMBERS_SHOWN_MAX } from '@tensorloop/contracts/api/operator';
import { OperatorClient, type OperatorTransaction } from '@tensorloop/db/control-client';
import { announceActiveKeys } from '@tensorloop/db/key-announcements';
import { isUuid7 } from '@tensorloop/kernel/uuid7';
import { requireVersion } from '@tensorloop/nest-kit/if-match';
import { AuditTrail } from '../audit/audit.trail.js';
import type { PendingProjection } from '../projection/projection.types.js';
import type {
  AccountRow,
  AccountState,
  ChangeOrder,
  DetailRow,
  InstallationRow,
  ListFilter,
  PlanRow,
} from './operators.types.js';

/** More than anybody appoints. */
const OPERATORS_MAX = 1_000;
/** More than anybody agrees one by one. */
const PLANS_MAX = 1_000;
/** Never passwords or key hashes: the role may not read them. */
const KEY_COLUMNS = {
  id: true,
  name: true,
  preview: true,
  models: true,
  budgetNanoUsd: true,
  rpm: true,
  mintedAt: true,
  expiresAt: true,
  revokedAt: true,
} as const;
const ACCOUNT_COLUMNS = { id: true, name: true, disabledAt: true, deleteAfter: true, createdAt: true, plan: true } as const;

/** Sees accounts of everybody as role control_operator: the one place of the API that does. */
@Injectable()
export class OperatorsRepository {
  constructor(
    @Inject(OperatorClient) private readonly operator: OperatorClient,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {}

  /** Newest first, those before `before`. */
  listAccounts(filter: ListFilter, page: { before: string | null; limit: number }, now: Date): Promise<AccountRow[]> {
    const id = page.before === null ? {} : { id: { lt: page.before } };
    return this.operator.read(async (tx) => {
      const rows = await tx.account.findMany({
        where: { AND: [toWhere(filter), id] },
        orderBy: { id: 'desc' },
        take: page.limit,
        select: { ...ACCOUNT_COLUMNS, _count: { select: { memberships: true, keys: { where: activeAt(now) } } } },
      });
      return rows.map(({ _count, ...row }) => ({ ...row, members: _count.memberships, keysActive: _count.keys }));
    });
  }

  findAccount(accountId: string, now: Date): Promise<DetailRow | null> {
    return this.operator.read(async (tx) => {
      const row = await tx.account.findUnique({
        where: { id: accountId },
        select: {
          ...ACCOUNT_COLUMNS,
          kind: true,
          dailyLimitNanoUsd: true,
          version: true,
          memberships: {
            orderBy: [{ createdAt: 'asc' }, { userId: 'asc' }],
            take: OPERATOR_MEMBERS_SHOWN_MAX,
            select: { role: true, createdAt: true, user: { select: { id: true, email: true, emailVerifiedAt: true } } },
          },
          keys: { orderBy: { id: 'desc' }, take: OPERATOR_KEYS_SHOWN_MAX, select: KEY_COLUMNS },
          _count: { select: { memberships: true, keys: { where: activeAt(now) } } },
        },
      });
      if (row === null) return null;
      const { _count, ...account } = row;
      return { ...account, members: _count.memberships, keysActive: _count.keys };
    });
  }

  async hasPlan(planId: string): Promise<boolean> {
    return (await this.operator.read((tx) => tx.plan.count({ where: { id: planId } }))) > 0;
  }

  /** Offered or not, the smallest first. */
  listPlans(): Promise<PlanRow[]> {
    return this.operator.read(async (tx) => {
      const rows = await tx.plan.findMany({
        orderBy: [{ position: 'asc' }, { id: 'asc' }],
        take: PLANS_MAX,
        include: { _count: { select: { accounts: true } } },
      });
      return rows.map(({ _count, ...row }) => ({ ...row, accounts: _count.accounts }));
    });
  }

  /**
   * Changes an account, announces its active keys and writes both to the account's audit log, in one transaction and with
   * its row locked. Null when there is no such account. Throws `precondition_failed` when the operator saw another version, and
   * `credential_over` when their session or their being one was ended meanwhile.
   */
  change(accountId: string, order: ChangeOrder): Promise<{ state: AccountState; pending: PendingProjection[] } | null> {
    return this.operator.withAccount(accountId, async (tx) => {
      const before = await lock(tx, accountId);
      if (before === null) return null;
      requireVersion(before.version, order.seenVersion);
      const { data, action, details } = order.decide(before);
      await tx.account.updateMany({ where: { id: accountId }, data: { ...data, version: { increment: 1 } } });
      const pending = await announceActiveKeys(tx, accountId, order.now);
      const subject = { kind: 'account', id: accountId };
      const reported = { ...details, reason: order.reason, keysAnnounced: pending.length };
      await this.audit.admitOperator(tx, { userId: order.actor.id, sessionId: order.sessionId });
      await this.audit.append(tx, { accountId, action, subject, details: reported, actor: order.actor });
      return { state: { ...before, ...data }, pending };
    });
  }

  listOperators(): Promise<{ userId: string; email: string; since: Date }[]> {
    return this.operator.read(async (tx) => {
      const rows = await tx.operator.findMany({
        orderBy: { createdAt: 'asc' },
        take: OPERATORS_MAX,
        select: { userId: true, createdAt: true, user: { select: { email: true } } },
      });
      return rows.map(({ userId, createdAt, user }) => ({ userId, email: user.email, since: createdAt }));
    });
  }

  describeInstallation(now: Date): Promise<InstallationRow> {
    return this.operator.read(async (tx) => {
      const oldest = await tx.keyProjectionOutbox.findFirst({ orderBy: { createdAt: 'asc' } });
      return {
        accounts: await tx.account.count(),
        accountsDisabled: await tx.account.count({ where: { disabledAt: { not: null } } }),
        users: await tx.user.count({ where: {} }),
        keysActive: await tx.key.count({ where: activeAt(now) }),
        operators: await tx.operator.count(),
        waiting: await tx.keyProjectionOutbox.count(),
        oldestSince: oldest?.createdAt ?? null,
      };
    });
  }
}

const activeAt = (now: Date) => ({ revokedAt: null, expiresAt: { gt: now } });

async function lock(tx: OperatorTransaction, accountId: string): Promise<AccountState | null> {
  const locked = await tx.$queryRaw<unknown[]>`SELECT 1 FROM control.accounts WHERE id = ${accountId}::uuid FOR NO KEY UPDATE`;
  if (locked.length === 0) return null;
  const select = { planId: true, disabledAt: true, deleteAfter: true, version: true } as const;
  return tx.account.findUniqueOrThrow({ where: { id: accountId }, select });
}

function toWhere({ search, planId, status }: ListFilter) {
  return {
    ...(planId === undefined ? {} : { planId }),
    ...(status === 'disabled' ? { disabledAt: { not: null } } : {}),
    ...(status === 'deleting' ? { disabledAt: null, deleteAfter: { not: null } } : {}),
    ...(status === 'active' ? { disabledAt: null, deleteAfter: null } : {}),
    ...(search === undefined ? {} : { OR: [...matching(search)] }),
  };
}

function matching(search: string) {
  if (isUuid7(search)) {
    return [{ id: search }, { memberships: { some: { userId: search } } }, { keys: { some: { id: search } } }];
  }
  const containing = { contains: search, mode: 'insensitive' } as const;
  return [{ name: containing }, { memberships: { some: { user: { email: containing } } } }];
}
