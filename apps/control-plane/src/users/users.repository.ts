import { Inject, Injectable } from '@nestjs/common';
import type { Role } from '@tensorloop/contracts/dashboard-api';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';
import { isUniqueViolation } from '@tensorloop/db/database-errors';
import { AuditTrail } from '../audit/audit.trail.js';
import type { AuditEvent } from '../audit/audit.types.js';
import type { Identity, User } from './users.types.js';

/** Whose rows a change is about, and the account that its audit entry belongs to: null when the user has none left. */
export interface Owner {
  userId: string;
  accountId: string | null;
}

export interface NewAccount {
  accountId: string;
  tag: string;
  name: string;
  planId: string;
  userId: string;
  email: string;
  passwordHash: string | null;
  emailVerifiedAt: Date | null;
  identity: Identity | null;
}

export interface UserChange {
  /** Absent = stays as it is. */
  passwordHash?: string | null;
  /** The change is made only while the password is this one still. */
  passwordHashBefore?: string | null;
  emailVerifiedAt?: Date;
  name?: string;
  /** Sessions that end with the change: all, or all but one. */
  endsSessions?: { now: Date; keptId: string | null };
  /** Links and codes of mails that were sent before end with it. */
  endsMails?: true;
  /** Other ways in that were made before the address was proven: identities, management tokens, open invitations. */
  disowns?: { now: Date };
  addsIdentity?: Identity;
}

const COLUMNS = { id: true, email: true, passwordHash: true, emailVerifiedAt: true, disabledAt: true } as const;

/** Every transaction names whom it is about: row-level security shows nothing else. */
@Injectable()
export class UsersRepository {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {}

  /** User, personal account and membership, all or none. False when the address, the tag or the identity is taken. */
  async createAccount(account: NewAccount, event: AuditEvent): Promise<boolean> {
    const { accountId, userId, email, passwordHash, emailVerifiedAt, identity } = account;
    try {
      await this.control.within({ accountId, userId }, async (tx) => {
        await tx.user.create({ data: { id: userId, email, passwordHash, emailVerifiedAt } });
        await tx.account.create({ data: { id: accountId, tag: account.tag, name: account.name, planId: account.planId } });
        await tx.membership.create({ data: { accountId, userId, role: 'owner' satisfies Role } });
        if (identity !== null) await tx.identity.create({ data: { ...identity, userId } });
        await this.audit.append(tx, event);
      });
      return true;
    } catch (err) {
      if (isUniqueViolation(err)) return false;
      throw err;
    }
  }

  /** An account for a user who has none. False when the tag is taken, or the user has got one meanwhile. */
  async addAccount(
    userId: string,
    { accountId, ...account }: Pick<NewAccount, 'accountId' | 'tag' | 'name' | 'planId'>,
    event: AuditEvent,
  ): Promise<boolean> {
    try {
      return await this.control.within({ accountId, userId }, async (tx) => {
        await tx.$queryRaw`SELECT FROM control.users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`;
        if ((await tx.membership.count({ where: { userId } })) > 0) return false;
        await tx.account.create({ data: { ...account, id: accountId } });
        await tx.membership.create({ data: { accountId, userId, role: 'owner' satisfies Role } });
        await this.audit.append(tx, event);
        return true;
      });
    } catch (err) {
      if (isUniqueViolation(err)) return false;
      throw err;
    }
  }

  async findByEmail(email: string): Promise<User | null> {
    return toUser(await this.control.within({ email }, (tx) => tx.user.findUnique({ where: { email }, select: COLUMNS })));
  }

  async findById(id: string): Promise<User | null> {
    return toUser(await this.control.withUser(id, (tx) => tx.user.findUnique({ where: { id }, select: COLUMNS })));
  }

  async findIdByIdentity({ issuer, subject }: Pick<Identity, 'issuer' | 'subject'>): Promise<string | null> {
    const row = await this.control.within({ identity: `${issuer} ${subject}` }, (tx) =>
      tx.identity.findUnique({ where: { issuer_subject: { issuer, subject } }, select: { userId: true } }),
    );
    return row?.userId ?? null;
  }

  /** The account the user joined first. */
  async findFirstAccountId(userId: string): Promise<string | null> {
    const membership = await this.control.withUser(userId, (tx) =>
      tx.membership.findFirst({ where: { userId }, orderBy: [{ createdAt: 'asc' }, { accountId: 'asc' }] }),
    );
    return membership?.accountId ?? null;
  }

  /** False when the identity belongs to somebody already, or the password is not what it was. */
  async update({ userId, accountId }: Owner, change: UserChange, event: Omit<AuditEvent, 'accountId'>): Promise<boolean> {
    const { passwordHash, passwordHashBefore, emailVerifiedAt, name, addsIdentity } = change;
    const where = { id: userId, ...(passwordHashBefore === undefined ? {} : { passwordHash: passwordHashBefore }) };
    const data = {
      ...(passwordHash === undefined ? {} : { passwordHash }),
      ...(emailVerifiedAt === undefined ? {} : { emailVerifiedAt }),
      ...(name === undefined ? {} : { name }),
    };
    try {
      return await this.control.within(accountId === null ? { userId } : { userId, accountId }, async (tx) => {
        // The user's row first: a sign-in holds it until its session is there to be ended, or begins after this change; and
        // whoever unlinks Google holds it, who must see what is being linked.
        if (addsIdentity !== undefined)
          await tx.$queryRaw`SELECT FROM control.users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`;
        if (Object.keys(data).length > 0 && (await tx.user.updateMany({ where, data })).count === 0) return false;
        const ended = await endAccess(tx, userId, change);
        if (addsIdentity !== undefined) await tx.identity.create({ data: { ...addsIdentity, userId } });
        const details = { ...event.details, ...(ended === null ? {} : { ended }) };
        if (accountId !== null) await this.audit.append(tx, { ...event, accountId, details });
        return true;
      });
    } catch (err) {
      if (isUniqueViolation(err)) return false;
      throw err;
    }
  }
}

/** Ends what the change says. Returns how much that was where somebody else may have made it, else null. */
async function endAccess(
  tx: ControlTransaction,
  userId: string,
  { endsSessions, endsMails, disowns }: UserChange,
): Promise<Record<string, number> | null> {
  const sessions = endsSessions === undefined ? 0 : await endLiveSessions(tx, userId, endsSessions);
  if (endsMails === true) await tx.mailToken.deleteMany({ where: { userId } });
  if (disowns === undefined) return null;
  const { count: identities } = await tx.identity.deleteMany({ where: { userId } });
  const [made] = await tx.$queryRaw<{ tokens: number; invites: number }[]>`
    SELECT tokens, invites FROM control.disown(${userId}::uuid, ${disowns.now}::timestamptz)`;
  return { sessions, identities, tokens: made?.tokens ?? 0, invites: made?.invites ?? 0 };
}

async function endLiveSessions(
  tx: ControlTransaction,
  userId: string,
  { now, keptId }: NonNullable<UserChange['endsSessions']>,
): Promise<number> {
  const where = { userId, revokedAt: null, ...(keptId === null ? {} : { id: { not: keptId } }) };
  return (await tx.session.updateMany({ where, data: { revokedAt: now } })).count;
}

interface UserRow {
  id: string;
  email: string;
  passwordHash: string | null;
  emailVerifiedAt: Date | null;
  disabledAt: Date | null;
}

function toUser(row: UserRow | null): User | null {
  if (row === null) return null;
  const { id, email, passwordHash, emailVerifiedAt, disabledAt } = row;
  return { id, email, passwordHash, isVerified: emailVerifiedAt !== null, isDisabled: disabledAt !== null };
}
