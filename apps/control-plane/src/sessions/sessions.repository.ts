import { Inject, Injectable } from '@nestjs/common';
import { type Role, roleSchema } from '@tensorloop/contracts/dashboard-api';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { AuditTrail } from '../audit/audit.trail.js';
import type { AuditEvent } from '../audit/audit.types.js';
import type { SessionTimes } from './session.rules.js';
import type { SessionMethod } from './sessions.types.js';

export interface NewSession {
  tokenHash: string;
  userAgent: string;
  ipPrefix: string;
  method: SessionMethod;
  createdAt: Date;
  times: SessionTimes;
}

export interface SessionRow extends SessionTimes {
  id: string;
  userId: string;
  accountId: string;
  createdAt: Date;
  userAgent: string;
  ipPrefix: string;
  authMethod: string;
}

interface Owner {
  userId: string;
  accountId: string;
}

const COLUMNS = {
  id: true,
  userId: true,
  accountId: true,
  createdAt: true,
  lastSeenAt: true,
  idleExpiresAt: true,
  absoluteExpiresAt: true,
  revokedAt: true,
  userAgent: true,
  ipPrefix: true,
  authMethod: true,
} as const;

/** Every transaction names whom it is about: row-level security shows nothing else. */
@Injectable()
export class SessionsRepository {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {}

  /** Null when the user is no member of the account, or may not sign in any more. */
  async findMember(accountId: string, userId: string): Promise<{ email: string; role: Role } | null> {
    const membership = await this.control.withAccount(accountId, (tx) =>
      tx.membership.findUnique({
        where: { accountId_userId: { accountId, userId } },
        include: { user: { select: { email: true, disabledAt: true } } },
      }),
    );
    if (membership === null || membership.user.disabledAt !== null) return null;
    return { email: membership.user.email, role: roleSchema.parse(membership.role) };
  }

  find(tokenHash: string): Promise<SessionRow | null> {
    return this.control.within({ sessionHash: tokenHash }, (tx) =>
      tx.session.findUnique({ where: { tokenHash }, select: COLUMNS }),
    );
  }

  /** Most recently used first. */
  list(userId: string, now: Date, limit: number): Promise<SessionRow[]> {
    return this.control.withUser(userId, (tx) =>
      tx.session.findMany({
        where: liveOf(userId, now),
        orderBy: [{ lastSeenAt: 'desc' }, { id: 'asc' }],
        take: limit,
        select: COLUMNS,
      }),
    );
  }

  /**
   * Begins a session. The user's sessions that are over are deleted, and of the others all but the `keep` most recently
   * used.
   */
  async create(owner: Owner, session: NewSession, { event, keep }: { event: AuditEvent; keep: number }): Promise<void> {
    await this.control.within(owner, async (tx) => {
      await prune(tx, { userId: owner.userId, now: session.createdAt, keep });
      await tx.session.create({ data: toData(owner, session) });
      await this.audit.append(tx, event);
    });
  }

  /**
   * Gives a session another token, and another account if `owner` says so. What it was begun with stays: when, how, from
   * where, and when it ends in any case. False when it is over.
   */
  replaceToken(owner: Owner, sessionId: string, { tokenHash, now }: { tokenHash: string; now: Date }): Promise<boolean> {
    return this.control.within(owner, async (tx) => {
      const session = await tx.session.findFirst({ where: { id: sessionId, ...liveOf(owner.userId, now) } });
      if (session === null) return false;
      // The hash is the row's key, which nobody may change: the old row goes, in the same transaction.
      const { count } = await tx.session.deleteMany({ where: { tokenHash: session.tokenHash } });
      if (count === 0) return false;
      await tx.session.create({ data: { ...session, tokenHash, accountId: owner.accountId, lastSeenAt: now } });
      return true;
    });
  }

  async touch(tokenHash: string, lastSeenAt: Date, idleExpiresAt: Date): Promise<void> {
    await this.control.within({ sessionHash: tokenHash }, (tx) =>
      tx.session.updateMany({ where: { tokenHash, revokedAt: null }, data: { lastSeenAt, idleExpiresAt } }),
    );
  }

  async revokeByToken(tokenHash: string, revokedAt: Date): Promise<void> {
    await this.control.within({ sessionHash: tokenHash }, (tx) =>
      tx.session.updateMany({ where: { tokenHash, revokedAt: null }, data: { revokedAt } }),
    );
  }

  /** False when the user has no such session that is live. */
  revoke(owner: Owner, sessionId: string, { now, event }: { now: Date; event: AuditEvent }): Promise<boolean> {
    return this.control.within(owner, async (tx) => {
      const where = { id: sessionId, ...liveOf(owner.userId, now) };
      const { count } = await tx.session.updateMany({ where, data: { revokedAt: now } });
      if (count > 0) await this.audit.append(tx, event);
      return count > 0;
    });
  }

  /** Ends all of the user's sessions but one. Returns how many there were. */
  revokeOthers(owner: Owner, keptId: string, { now, event }: { now: Date; event: AuditEvent }): Promise<number> {
    return this.control.within(owner, async (tx) => {
      const where = { ...liveOf(owner.userId, now), id: { not: keptId } };
      const { count } = await tx.session.updateMany({ where, data: { revokedAt: now } });
      if (count > 0) await this.audit.append(tx, { ...event, details: { ...event.details, sessions: count } });
      return count;
    });
  }
}

function liveOf(userId: string, now: Date) {
  return { userId, revokedAt: null, idleExpiresAt: { gt: now }, absoluteExpiresAt: { gt: now } };
}

async function prune({ session }: ControlTransaction, { userId, now, keep }: { userId: string; now: Date; keep: number }) {
  await session.deleteMany({ where: { userId, OR: [{ idleExpiresAt: { lte: now } }, { revokedAt: { not: null } }] } });
  const surplus = await session.findMany({
    where: { userId },
    orderBy: { lastSeenAt: 'desc' },
    skip: keep,
    select: { tokenHash: true },
  });
  if (surplus.length > 0) await session.deleteMany({ where: { tokenHash: { in: surplus.map((row) => row.tokenHash) } } });
}

function toData({ userId, accountId }: Owner, { tokenHash, userAgent, ipPrefix, method, createdAt, times }: NewSession) {
  return { tokenHash, userId, accountId, userAgent, ipPrefix, authMethod: method, createdAt, ...times };
}
