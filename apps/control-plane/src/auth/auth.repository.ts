import { Inject, Injectable } from '@nestjs/common';
import { type Role, roleSchema } from '@tensorloop/contracts/dashboard-api';
import { ControlClient } from '@tensorloop/db/control-client';
import { isUniqueViolation } from '@tensorloop/db/database-errors';
import type { SessionTimes } from './session.rules.js';

export interface NewAccount {
  accountId: string;
  tag: string;
  name: string;
  planId: string;
  userId: string;
  email: string;
  passwordHash: string;
  session: NewSession;
}

export interface NewSession {
  tokenHash: string;
  userAgent: string;
  times: SessionTimes;
}

export interface UserRow {
  id: string;
  email: string;
  /** Null when the user signs in by other means. */
  passwordHash: string | null;
}

export interface SessionRow extends SessionTimes {
  id: string;
  userId: string;
  accountId: string;
}

/** Every transaction names whom it is about: row-level security shows nothing else. */
@Injectable()
export class AuthRepository {
  constructor(@Inject(ControlClient) private readonly control: ControlClient) {}

  /** User, personal account, membership and first session, all or none. False when the address or the tag is taken. */
  async createAccount(account: NewAccount): Promise<boolean> {
    const { accountId, userId, email } = account;
    try {
      await this.control.within({ accountId, userId }, async (tx) => {
        await tx.user.create({ data: { id: userId, email, passwordHash: account.passwordHash } });
        await tx.account.create({ data: { id: accountId, tag: account.tag, name: account.name, planId: account.planId } });
        await tx.membership.create({ data: { accountId, userId, role: 'owner' satisfies Role } });
        await tx.session.create({ data: toSessionData(userId, accountId, account.session) });
      });
      return true;
    } catch (err) {
      if (isUniqueViolation(err)) return false;
      throw err;
    }
  }

  findUserByEmail(email: string): Promise<UserRow | null> {
    return this.control.within({ email }, (tx) =>
      tx.user.findUnique({ where: { email }, select: { id: true, email: true, passwordHash: true } }),
    );
  }

  /** The account the user joined first, or null when there is none left. */
  async findFirstAccountId(userId: string): Promise<string | null> {
    const membership = await this.control.withUser(userId, (tx) =>
      tx.membership.findFirst({ where: { userId }, orderBy: [{ createdAt: 'asc' }, { accountId: 'asc' }] }),
    );
    return membership?.accountId ?? null;
  }

  async findMember(accountId: string, userId: string): Promise<{ email: string; role: Role } | null> {
    const membership = await this.control.withAccount(accountId, (tx) =>
      tx.membership.findUnique({
        where: { accountId_userId: { accountId, userId } },
        include: { user: { select: { email: true } } },
      }),
    );
    return membership === null ? null : { email: membership.user.email, role: roleSchema.parse(membership.role) };
  }

  async createSession(accountId: string, userId: string, session: NewSession): Promise<void> {
    await this.control.withUser(userId, (tx) => tx.session.create({ data: toSessionData(userId, accountId, session) }));
  }

  async findSession(tokenHash: string): Promise<SessionRow | null> {
    const row = await this.control.within({ sessionHash: tokenHash }, (tx) => tx.session.findUnique({ where: { tokenHash } }));
    if (row === null) return null;
    const { id, userId, accountId, lastSeenAt, idleExpiresAt, absoluteExpiresAt, revokedAt } = row;
    return { id, userId, accountId, lastSeenAt, idleExpiresAt, absoluteExpiresAt, revokedAt };
  }

  async touchSession(tokenHash: string, lastSeenAt: Date, idleExpiresAt: Date): Promise<void> {
    await this.control.within({ sessionHash: tokenHash }, (tx) =>
      tx.session.updateMany({ where: { tokenHash, revokedAt: null }, data: { lastSeenAt, idleExpiresAt } }),
    );
  }

  async revokeSession(tokenHash: string, revokedAt: Date): Promise<void> {
    await this.control.within({ sessionHash: tokenHash }, (tx) =>
      tx.session.updateMany({ where: { tokenHash, revokedAt: null }, data: { revokedAt } }),
    );
  }

  /** Deletes the user's sessions that are over, and all but the `keep` most recently used of the others. */
  async pruneSessions(userId: string, now: Date, keep: number): Promise<void> {
    await this.control.withUser(userId, async ({ session }) => {
      await session.deleteMany({ where: { userId, OR: [{ idleExpiresAt: { lte: now } }, { revokedAt: { not: null } }] } });
      const surplus = await session.findMany({
        where: { userId },
        orderBy: { lastSeenAt: 'desc' },
        skip: keep,
        select: { tokenHash: true },
      });
      if (surplus.length > 0) await session.deleteMany({ where: { tokenHash: { in: surplus.map((row) => row.tokenHash) } } });
    });
  }
}

function toSessionData(userId: string, accountId: string, session: NewSession) {
  const { tokenHash, userAgent, times } = session;
  return { tokenHash, userId, accountId, userAgent, createdAt: times.lastSeenAt, ...times };
}
