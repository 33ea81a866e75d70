import { Inject, Injectable } from '@nestjs/common';
import { type Role, roleSchema } from '@tensorloop/contracts/dashboard-api';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { AuditTrail } from '../audit/audit.trail.js';
import type { AuditEvent } from '../audit/audit.types.js';
import { IdempotencyTrail } from '../idempotency/idempotency.trail.js';
import type { NewToken, StoredToken, TokenCreator } from './tokens.types.js';

const STORED = {
  id: true,
  accountId: true,
  name: true,
  preview: true,
  role: true,
  createdBy: true,
  createdAt: true,
  expiresAt: true,
  lastUsedAt: true,
  revokedAt: true,
} as const;

/** What a request with a token is judged by. */
export interface PresentedToken {
  token: StoredToken;
  creator: TokenCreator | null;
  isAccountActive: boolean;
}

/** An account while its row is locked: parallel creations queue on it. */
export interface LockedAccount {
  tag: string;
  isActive: boolean;
  activeTokens: number;
  /** `answer` = what a repetition with the same Idempotency-Key is told, without the token's text. */
  insertToken(token: NewToken, answer: (token: StoredToken) => object): Promise<StoredToken>;
}

@Injectable()
export class TokensRepository {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
    @Inject(IdempotencyTrail) private readonly idempotency: IdempotencyTrail,
  ) {}

  withLockedAccount<T>(accountId: string, nowMs: number, work: (account: LockedAccount) => Promise<T>): Promise<T> {
    return this.control.withAccount(accountId, async (tx) => {
      await tx.$queryRaw`SELECT FROM control.accounts WHERE id = ${accountId}::uuid FOR NO KEY UPDATE`;
      const account = await tx.account.findUniqueOrThrow({
        where: { id: accountId },
        select: { tag: true, disabledAt: true, deleteAfter: true },
      });
      return work({
        tag: account.tag,
        isActive: account.disabledAt === null && account.deleteAfter === null,
        activeTokens: await tx.managementToken.count({ where: { accountId, ...activeAt(nowMs) } }),
        insertToken: async (token, answer) => {
          const stored = toStored(await tx.managementToken.create({ data: { ...token, accountId }, select: STORED }));
          await this.idempotency.record(tx, answer(stored));
          const { name, role, expiresAt } = stored;
          await this.append(tx, stored, {
            action: 'token.created',
            details: { name, role, expiresAt: expiresAt.toISOString() },
          });
          return stored;
        },
      });
    });
  }

  /** In the order of their ids, with the members who made them. */
  listTokens(
    accountId: string,
    { after, limit, activeAtMs }: { after: string | null; limit: number; activeAtMs: number | null },
  ): Promise<{ token: StoredToken; creator: TokenCreator | null }[]> {
    return this.control.withAccount(accountId, async (tx) => {
      const rows = await tx.managementToken.findMany({
        where: {
          accountId,
          ...(after === null ? {} : { id: { gt: after } }),
          ...(activeAtMs === null ? {} : activeAt(activeAtMs)),
        },
        orderBy: { id: 'asc' },
        take: limit,
        select: STORED,
      });
      const creators = await findCreators(tx, accountId, [...new Set(rows.map(({ createdBy }) => createdBy))]);
      return rows.map((row) => ({ token: toStored(row), creator: creators.get(row.createdBy) ?? null }));
    });
  }

  /** Two looks: by the hash alone nothing but the token's own row is to be seen. */
  async findPresented(tokenHash: string): Promise<PresentedToken | null> {
    const row = await this.control.within({ presentedHash: tokenHash }, (tx) =>
      tx.managementToken.findUnique({ where: { tokenHash }, select: STORED }),
    );
    if (row === null) return null;
    const { accountId, createdBy } = row;
    return this.control.withAccount(accountId, async (tx) => {
      const { disabledAt, deleteAfter } = await tx.account.findUniqueOrThrow({
        where: { id: accountId },
        select: { disabledAt: true, deleteAfter: true },
      });
      const creator = (await findCreators(tx, accountId, [createdBy])).get(createdBy) ?? null;
      return { token: toStored(row), creator, isAccountActive: disabledAt === null && deleteAfter === null };
    });
  }

  async touchToken(accountId: string, id: string, now: Date): Promise<void> {
    await this.control.withAccount(accountId, (tx) =>
      tx.managementToken.updateMany({ where: { accountId, id, revokedAt: null }, data: { lastUsedAt: now } }),
    );
  }

  /** `mayRevoke` sees the token while its row is locked. Null when the account has no such token. */
  revokeToken(
    accountId: string,
    id: string,
    { now, mayRevoke }: { now: Date; mayRevoke: (role: Role) => boolean },
  ): Promise<'revoked' | 'above_role' | null> {
    return this.control.withAccount(accountId, async (tx) => {
      const row = await tx.managementToken.findUnique({ where: { accountId_id: { accountId, id } }, select: STORED });
      if (row === null) return null;
      const token = toStored(row);
      if (!mayRevoke(token.role)) return 'above_role';
      const { count } = await tx.managementToken.updateMany({
        where: { accountId, id, revokedAt: null },
        data: { revokedAt: now },
      });
      if (count === 1)
        await this.append(tx, token, { action: 'token.revoked', details: { name: token.name, role: token.role } });
      return 'revoked';
    });
  }

  private append(
    tx: ControlTransaction,
    { accountId, id }: StoredToken,
    event: Pick<AuditEvent, 'action' | 'details'>,
  ): Promise<void> {
    return this.audit.append(tx, { accountId, ...event, subject: { kind: 'token', id } });
  }
}

function activeAt(nowMs: number) {
  return { revokedAt: null, expiresAt: { gt: new Date(nowMs) } };
}

async function findCreators(
  tx: ControlTransaction,
  accountId: string,
  userIds: readonly string[],
): Promise<Map<string, TokenCreator>> {
  const rows = await tx.membership.findMany({
    where: { accountId, userId: { in: [...userIds] } },
    include: { user: { select: { email: true, disabledAt: true } } },
  });
  return new Map(
    rows.map(({ userId, role, user }) => [
      userId,
      { email: user.email, role: roleSchema.parse(role), isDisabled: user.disabledAt !== null },
    ]),
  );
}

function toStored(row: Omit<StoredToken, 'role'> & { role: string }): StoredToken {
  return { ...row, role: roleSchema.parse(row.role) };
}
