import { Inject, Injectable } from '@nestjs/common';
import { type Role, roleSchema } from '@tensorloop/contracts/dashboard-api';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { AuditTrail } from '../audit/audit.trail.js';
import type { AuditEvent } from '../audit/audit.types.js';
import type { SessionTimes } from './session.rules.js';
import type { SessionMethod, SessionProof } from './sessions.types.js';

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

interface Beginning {
  event: AuditEvent;
  keep: number;
  proof: SessionProof;
  /** Of a proof by password: the one that was checked, as it is stored. */
  checkedHash: string | null;
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
   * used. False when the user was disabled since the proof was checked, has another password than the one that was it, or
   * another Google account or none: whatever changes these locks the same row, so a change that ends sessions ends this one,
   * or comes before it.
   */
  create(owner: Owner, session: NewSession, { event, keep, proof, checkedHash }: Beginning): Promise<boolean> {
    return this.control.within(owner, async (tx) => {
      const [user] = await tx.$queryRaw<{ passwordHash: string | null; disabledAt: Date | null }[]>`
        SELECT password_hash AS "passwordHash", disabled_at AS "disabledAt" FROM control.users
        WHERE id = ${owner.userId}::uuid FOR NO KEY UPDATE`;
      if (user === undefined || user.disabledAt !== null) return false;
      if (proof.method === 'password' && user.passwordHash !== checkedHash) return false;
      if (proof.method === 'google' && !(await hasIdentity(tx, owner.userId, proof.identity))) return false;
      await prune(tx, { userId: owner.userId, now: session.createdAt, keep });
      await tx.session.create({ data: toData(owner, session) });
      await this.audit.append(tx, event);
      return true;
    });
  }

  /**
   * Gives a session another token, and another account if `owner` says so. What it was begun with stays: when, how, from
   * where, and when it ends in any case. False when it is over, or was given another token meanwhile. The row stays, so that
   * whoever revokes it finds it at any moment.
   */
  replaceToken(owner: Owner, sessionId: string, { tokenHash, now }: { tokenHash: string; now: Date }): Promise<boolean> {
    return this.control.within(owner, async (tx) => {
      const live = { id: sessionId, ...liveOf(owner.userId, now) };
      const session = await tx.session.findFirst({ where: live, select: { tokenHash: true } });
      if (session === null) return false;
      const data = { tokenHash, accountId: owner.accountId, lastSeenAt: now };
      const { count } = await tx.session.updateMany({ where: { ...live, tokenHash: session.tokenHash }, data });
      return count === 1;
    });
  }

  async touch(tokenHash: string, lastSeenAt: Date, idleExpiresAt: Date): Promise<void> {
    await this.control.within({ sessionHash: tokenHash }, (tx) =>
      tx.session.updateMany({ where: { tokenHash, revokedAt: null }, data: { lastSeenAt, idleExpiresAt } }),
    );
  }

  /** By its id and not by the token that was presented, which may just be giving way to another. */
  async end({ id, userId }: Pick<SessionRow, 'id' | 'userId'>, revokedAt: Date): Promise<void> {
    await this.control.withUser(userId, (tx) =>
      tx.session.updateMany({ where: { id, userId, revokedAt: null }, data: { revokedAt } }),
    );
  }

  /** False when the user has no such session that is live. */
  revoke(owner: Owner, sessionId: string, { now, event }: { now: Date; event: AuditEvent }): Promise<boolean> {
    return this.control.within(owner, async (tx) => {
      await lockUser(tx, owner.userId);
      const where = { id: sessionId, ...liveOf(owner.userId, now) };
      const { count } = await tx.session.updateMany({ where, data: { revokedAt: now } });
      if (count > 0) await this.audit.append(tx, event);
      return count > 0;
    });
  }

  /** Ends all of the user's sessions but one. Returns how many there were. */
  revokeOthers(owner: Owner, keptId: string, { now, event }: { now: Date; event: AuditEvent }): Promise<number> {
    return this.control.within(owner, async (tx) => {
      await lockUser(tx, owner.userId);
      const where = { ...liveOf(owner.userId, now), id: { not: keptId } };
      const { count } = await tx.session.updateMany({ where, data: { revokedAt: now } });
      if (count > 0) await this.audit.append(tx, { ...event, details: { ...event.details, sessions: count } });
      return count;
    });
  }
}

/**
 * Before the sessions of a user are changed. Two that end each other would otherwise each hold what the other needs to be still
 * live by; now the first is done before the second begins.
 */
async function lockUser(tx: ControlTransaction, userId: string): Promise<void> {
  await tx.$queryRaw`SELECT FROM control.users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`;
}

function liveOf(userId: string, now: Date) {
  return { userId, revokedAt: null, idleExpiresAt: { gt: now }, absoluteExpiresAt: { gt: now } };
}

async function hasIdentity(
  { identity }: ControlTransaction,
  userId: string,
  { issuer, subject }: { issuer: string; subject: string },
): Promise<boolean> {
  return (await identity.count({ where: { issuer, subject, userId } })) > 0;
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
