import { Inject, Injectable } from '@nestjs/common';
import type { Session } from '@tensorloop/contracts/api/sessions';
import type { Principal } from '../access/principal.types.js';
import { currentOrigin } from '../access/request-context.types.js';
import type { AuditEvent } from '../audit/audit.types.js';
import { CLOCK, type Clock } from '../clock.js';
import { UsersService } from '../users/users.service.js';
import {
  isRecentSignIn,
  isSessionLive,
  isSessionToken,
  newSessionTimes,
  newSessionToken,
  SESSION_ABSOLUTE_MS,
  sessionTokenHash,
  touchedIdleExpiry,
} from './session.rules.js';
import { toSession } from './sessions.dto.js';
import { SessionsRepository } from './sessions.repository.js';
import type { ProvenUser, SessionProof, SignedIn } from './sessions.types.js';

const SESSIONS_PER_USER_MAX = 50;
/** How long a browser keeps the cookie: no longer than any session lives. */
export const SESSION_COOKIE_MS = SESSION_ABSOLUTE_MS;

/** Read from PostgreSQL with each request: what is revoked is over with the next one, on every replica. */
@Injectable()
export class SessionsService {
  constructor(
    @Inject(SessionsRepository) private readonly repository: SessionsRepository,
    @Inject(UsersService) private readonly users: UsersService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * A new session with a token of its own; the one that the browser had until now is over. Acts for the account the user
   * joined first unless told otherwise, or for a fresh one when there is none left. Null when what proved who it is does not
   * any more: the password was changed meanwhile, Google unlinked, or the user disabled.
   */
  async begin(
    user: ProvenUser,
    { previousToken, accountId, ...proof }: SessionProof & { previousToken: string | null; accountId?: string },
  ): Promise<SignedIn | null> {
    const { method } = proof;
    const account = accountId ?? (await this.users.ensureAccount(user));
    await this.end(previousToken);
    const token = newSessionToken();
    const nowMs = this.clock();
    const { ipPrefix, userAgent } = currentOrigin();
    const tokenHash = sessionTokenHash(token);
    const session = { tokenHash, userAgent, ipPrefix, method, createdAt: new Date(nowMs), times: newSessionTimes(nowMs) };
    const event: AuditEvent = {
      accountId: account,
      action: 'user.signed_in',
      subject: { kind: 'user', id: user.id },
      details: { method },
      actor: { kind: 'user', id: user.id, label: user.email },
    };
    const beginning = { event, keep: SESSIONS_PER_USER_MAX - 1, proof, checkedHash: user.passwordHash };
    const isBegun = await this.repository.create({ userId: user.id, accountId: account }, session, beginning);
    return isBegun ? { token, userId: user.id, accountId: account } : null;
  }

  /**
   * Who holds the token, or null when the session is over, or its user disabled or no member of its account any more. What
   * nobody did does not count as use: `isUse` false leaves the session to its idle time.
   */
  async authenticate(token: string | null, { isUse }: { isUse: boolean } = { isUse: true }): Promise<Principal | null> {
    if (token === null || !isSessionToken(token)) return null;
    const tokenHash = sessionTokenHash(token);
    const session = await this.repository.find(tokenHash);
    const nowMs = this.clock();
    if (session === null || !isSessionLive(session, nowMs)) return null;
    const { userId, accountId, id: credentialId } = session;
    const member = await this.repository.findMember(accountId, userId);
    if (member === null) return null;
    const idleExpiresAt = isUse ? touchedIdleExpiry(session, nowMs) : null;
    if (idleExpiresAt !== null) await this.repository.touch(tokenHash, new Date(nowMs), idleExpiresAt);
    return { kind: 'session', userId, accountId, credentialId, label: member.email, ...member };
  }

  /** Whether this session was begun so recently that it may change how its user signs in. */
  async isRecent(token: string | null): Promise<boolean> {
    if (token === null || !isSessionToken(token)) return false;
    const session = await this.repository.find(sessionTokenHash(token));
    return session !== null && isRecentSignIn(session.createdAt, this.clock());
  }

  /**
   * The same session under a new token, for whenever what it may do changes: another account, another password. Write the
   * token into the cookie; the old one opens nothing from now on. Null when the session is over.
   */
  async rotate({
    userId,
    credentialId,
    accountId,
  }: Pick<Principal, 'userId' | 'credentialId' | 'accountId'>): Promise<string | null> {
    const token = newSessionToken();
    const change = { tokenHash: sessionTokenHash(token), now: new Date(this.clock()) };
    return (await this.repository.replaceToken({ userId, accountId }, credentialId, change)) ? token : null;
  }

  /** Without a token, or with one that is over, there is nothing to do. */
  async end(token: string | null): Promise<void> {
    if (token === null || !isSessionToken(token)) return;
    const session = await this.repository.find(sessionTokenHash(token));
    if (session !== null) await this.repository.end(session, new Date(this.clock()));
  }

  async list({ userId, credentialId }: Principal): Promise<Session[]> {
    const rows = await this.repository.list(userId, new Date(this.clock()), SESSIONS_PER_USER_MAX);
    return rows.map((row) => toSession(row, credentialId));
  }

  /** False when the caller has no such session. */
  revoke({ userId, accountId }: Principal, sessionId: string): Promise<boolean> {
    const event: AuditEvent = { accountId, action: 'session.revoked', subject: { kind: 'session', id: sessionId } };
    return this.repository.revoke({ userId, accountId }, sessionId, { now: new Date(this.clock()), event });
  }

  /** Ends every session of the caller but the one that asks. */
  revokeOthers({ userId, accountId, credentialId }: Principal): Promise<number> {
    const event: AuditEvent = { accountId, action: 'session.others_revoked', subject: { kind: 'user', id: userId } };
    return this.repository.revokeOthers({ userId, accountId }, credentialId, { now: new Date(this.clock()), event });
  }
}
