import { Inject, Injectable } from '@nestjs/common';
import type { Credentials } from '@tensorloop/contracts/dashboard-api';
import { newAccountTag } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { Principal } from '../access/principal.types.js';
import { CLOCK, type Clock } from '../clock.js';
import { AuthRepository, type NewSession, type UserRow } from './auth.repository.js';
import { PasswordHasher } from './password-hasher.js';
import { isSessionLive, newSessionTimes, newSessionToken, sessionTokenHash, touchedIdleExpiry } from './session.rules.js';
import { SignInThrottle } from './sign-in-throttle.js';

/** The plan of a fresh account. */
const SIGN_UP_PLAN_ID = 'free';
/** Two accounts draw the same tag of 62^8 once in a blue moon; then another is drawn. */
const TAG_ATTEMPTS_MAX = 3;
const SESSIONS_PER_USER_MAX = 50;
const USER_AGENT_LENGTH_MAX = 256;

export interface SignedIn {
  /** For the cookie; nothing else ever sees it. */
  token: string;
  userId: string;
  accountId: string;
}

export interface SignInRequest extends Credentials {
  userAgent: string;
  /** Token of the session the browser had until now; it ends with this sign-in. */
  previousToken: string | null;
}

@Injectable()
export class AuthService {
  constructor(
    @Inject(AuthRepository) private readonly repository: AuthRepository,
    @Inject(PasswordHasher) private readonly passwords: PasswordHasher,
    @Inject(SignInThrottle) private readonly throttle: SignInThrottle,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Null when the address cannot be used. Takes the time of a hash either way. */
  async signUp(request: SignInRequest): Promise<SignedIn | null> {
    const { email } = request;
    const passwordHash = await this.passwords.create(request.password);
    for (let attempt = 0; attempt < TAG_ATTEMPTS_MAX; attempt++) {
      if ((await this.repository.findUserByEmail(email)) !== null) return null;
      const { token, session } = this.newSession(request.userAgent);
      const [userId, accountId] = [uuid7(this.clock()), uuid7(this.clock())];
      const name = email.slice(0, email.indexOf('@'));
      const account = { accountId, tag: newAccountTag(), name, planId: SIGN_UP_PLAN_ID, userId, email, passwordHash, session };
      if (await this.repository.createAccount(account)) {
        await this.endSession(request.previousToken);
        return { token, userId, accountId };
      }
    }
    return null;
  }

  /** Null for an unknown address and for a wrong password, after the same work. Throws SignInThrottledError after too many. */
  async signIn(request: SignInRequest): Promise<SignedIn | null> {
    const user = await this.throttle.attempt(request.email, () => this.checkPassword(request));
    if (user === null) return null;
    const accountId = await this.repository.findFirstAccountId(user.id);
    if (accountId === null) return null;
    const { token, session } = this.newSession(request.userAgent);
    await this.endSession(request.previousToken);
    await this.repository.pruneSessions(user.id, new Date(this.clock()), SESSIONS_PER_USER_MAX - 1);
    await this.repository.createSession(accountId, user.id, session);
    return { token, userId: user.id, accountId };
  }

  async signOut(token: string | null): Promise<void> {
    await this.endSession(token);
  }

  /** Who holds the token, or null when the session is over or its user has left the account. */
  async authenticate(token: string): Promise<Principal | null> {
    const tokenHash = sessionTokenHash(token);
    const session = await this.repository.findSession(tokenHash);
    const nowMs = this.clock();
    if (session === null || !isSessionLive(session, nowMs)) return null;
    const member = await this.repository.findMember(session.accountId, session.userId);
    if (member === null) return null;
    const idleExpiresAt = touchedIdleExpiry(session, nowMs);
    if (idleExpiresAt !== null) await this.repository.touchSession(tokenHash, new Date(nowMs), idleExpiresAt);
    const { userId, accountId, id: credentialId } = session;
    return { kind: 'session', userId, accountId, credentialId, label: member.email, ...member };
  }

  private async checkPassword({ email, password }: Credentials): Promise<UserRow | null> {
    const user = await this.repository.findUserByEmail(email);
    const isRight = await this.passwords.matches(user?.passwordHash ?? null, password);
    return isRight ? user : null;
  }

  private async endSession(token: string | null): Promise<void> {
    if (token !== null) await this.repository.revokeSession(sessionTokenHash(token), new Date(this.clock()));
  }

  private newSession(userAgent: string): { token: string; session: NewSession } {
    const token = newSessionToken();
    const times = newSessionTimes(this.clock());
    return {
      token,
      session: { tokenHash: sessionTokenHash(token), userAgent: userAgent.slice(0, USER_AGENT_LENGTH_MAX), times },
    };
  }
}
