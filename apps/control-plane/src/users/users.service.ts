import { Inject, Injectable } from '@nestjs/common';
import { newAccountTag } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { AuditAction, AuditActor, AuditEvent } from '../audit/audit.types.js';
import { CLOCK, type Clock } from '../clock.js';
import { type UserChange, UsersRepository } from './users.repository.js';
import type { AddressProof, Identity, NewUser, User } from './users.types.js';

/** The plan of a fresh account. */
const SIGN_UP_PLAN_ID = 'free';
/** Two accounts draw the same tag of 62^8 once in a blue moon; then another is drawn. */
const TAG_ATTEMPTS_MAX = 3;
const ACCOUNT_NAME_LENGTH_MAX = 100;

/** The session in which a user changes themselves; told in the log of its account. It must last until the change is made. */
export interface SessionOfUser {
  id: string;
  accountId: string;
}

/** Who can sign in, and how. */
@Injectable()
export class UsersService {
  constructor(
    @Inject(UsersRepository) private readonly repository: UsersRepository,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** A user with a personal account. Null when the address or the identity is taken. */
  async create({ email, passwordHash, isVerified, identity }: NewUser): Promise<User | null> {
    for (let attempt = 0; attempt < TAG_ATTEMPTS_MAX; attempt++) {
      if ((await this.findByEmail(email)) !== null) return null;
      const [userId, accountId] = [uuid7(this.clock()), uuid7(this.clock())];
      const account = {
        accountId,
        tag: newAccountTag(),
        name: personalAccountName(email),
        planId: SIGN_UP_PLAN_ID,
        userId,
        email,
        passwordHash,
        emailVerifiedAt: isVerified ? this.now() : null,
        identity: identity ?? null,
      };
      const actor: AuditActor = { kind: 'user', id: userId, label: email };
      const details = { method: identity === undefined ? 'password' : 'google' };
      const subject = { kind: 'user', id: userId };
      const event: AuditEvent = { accountId, action: 'user.signed_up', subject, details, actor };
      if (await this.repository.createAccount(account, event))
        return { id: userId, email, passwordHash, isVerified, isDisabled: false };
    }
    return null;
  }

  /**
   * The account that the user joined first; a fresh personal one when there is none left, so that whoever was removed from, or
   * deleted, their last account can still sign in.
   */
  async ensureAccount(user: Pick<User, 'id' | 'email'>): Promise<string> {
    for (let attempt = 0; attempt < TAG_ATTEMPTS_MAX; attempt++) {
      const known = await this.repository.findFirstAccountId(user.id);
      if (known !== null) return known;
      const accountId = uuid7(this.clock());
      const account = { accountId, tag: newAccountTag(), name: personalAccountName(user.email), planId: SIGN_UP_PLAN_ID };
      const actor: AuditActor = { kind: 'user', id: user.id, label: user.email };
      const subject = { kind: 'account', id: accountId };
      const event: AuditEvent = { accountId, action: 'account.created', subject, details: {}, actor };
      if (await this.repository.addAccount(user.id, account, event)) return accountId;
    }
    throw new Error('no account could be made for a user who has none');
  }

  findByEmail(email: string): Promise<User | null> {
    return this.repository.findByEmail(email);
  }

  findById(userId: string): Promise<User | null> {
    return this.repository.findById(userId);
  }

  async findByIdentity(identity: Pick<Identity, 'issuer' | 'subject'>): Promise<User | null> {
    const userId = await this.repository.findIdByIdentity(identity);
    return userId === null ? null : this.findById(userId);
  }

  /**
   * Somebody proved to have the address of this user. Where that had not been done before, whoever signed up with it may
   * have been somebody else: the password and every other way in that they made ends, lest they share what is its owner's
   * now.
   */
  async claimAddress(user: User, proof: AddressProof, more: UserChange = {}): Promise<boolean> {
    const now = this.now();
    const change: UserChange = user.isVerified
      ? more
      : { passwordHash: null, endsSessions: { now, keptId: null }, endsMails: true, ...provenNow(now), ...more };
    if (Object.keys(change).length === 0) return true;
    const action = more.addsIdentity === undefined ? 'user.email_verified' : 'user.identity_linked';
    return this.update(user, change, { action, details: { proof } });
  }

  /** The user had a part in it: signed in, or typed the password. Nothing ends. */
  async verifyEmail(user: User): Promise<void> {
    const change = { emailVerifiedAt: this.now() };
    await this.update(user, change, { action: 'user.email_verified', details: { proof: 'mail' } });
  }

  /** By a user who is signed in. False when the identity belongs to somebody already. */
  linkIdentity(
    user: User,
    identity: Identity,
    { session, provesAddress }: { session: SessionOfUser; provesAddress: boolean },
  ): Promise<boolean> {
    const change = { addsIdentity: identity, ...(provesAddress ? { emailVerifiedAt: this.now() } : {}) };
    const details = { issuer: identity.issuer, ...(provesAddress ? { proof: 'google' satisfies AddressProof } : {}) };
    return this.update(user, change, { action: 'user.identity_linked', details, session });
  }

  /**
   * Ends the user's sessions but the one that is named, and links and codes that are under way. False when somebody in that
   * session knew a password that is not the user's any more.
   */
  setPassword(user: User, passwordHash: string, session: SessionOfUser | null): Promise<boolean> {
    const now = this.now();
    // Without a session it was reset by mail, which proves the address.
    const proven = session === null && !user.isVerified ? provenNow(now) : {};
    const before = session === null ? {} : { passwordHashBefore: user.passwordHash };
    const endsSessions = { now, keptId: session?.id ?? null };
    const change: UserChange = { passwordHash, ...before, endsSessions, endsMails: true, ...proven };
    const action = session === null ? 'user.password_reset' : 'user.password_changed';
    return this.update(user, change, { action, details: {}, ...(session === null ? {} : { session }) });
  }

  async setName(user: Pick<User, 'id' | 'email'>, name: string, session: SessionOfUser): Promise<void> {
    await this.update(user, { name }, { action: 'user.renamed', details: { to: name }, session });
  }

  private async update(
    { id, email }: Pick<User, 'id' | 'email'>,
    change: UserChange,
    { action, details, session }: { action: AuditAction; details: Record<string, unknown>; session?: SessionOfUser },
  ): Promise<boolean> {
    const accountId = session?.accountId ?? (await this.repository.findFirstAccountId(id));
    const actor: AuditActor = { kind: 'user', id, label: email };
    const credential =
      session === undefined ? {} : { credential: { kind: 'session', userId: id, credentialId: session.id } as const };
    const event = { action, details, subject: { kind: 'user', id }, actor, ...credential };
    return this.repository.update({ userId: id, accountId }, change, event);
  }

  private now(): Date {
    return new Date(this.clock());
  }
}

/** Of an address that is proven just now: what was made without that may be somebody else's. */
function provenNow(now: Date): UserChange {
  return { emailVerifiedAt: now, disowns: { now } };
}

function personalAccountName(email: string): string {
  return email.slice(0, email.indexOf('@')).slice(0, ACCOUNT_NAME_LENGTH_MAX);
}
