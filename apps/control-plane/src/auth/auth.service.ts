import { Inject, Injectable } from '@nestjs/common';
import type { Credentials } from '@tensorloop/contracts/dashboard-api';
import { SessionsService } from '../sessions/sessions.service.js';
import type { SignedIn } from '../sessions/sessions.types.js';
import { ThrottleService } from '../throttle/throttle.service.js';
import { UsersService } from '../users/users.service.js';
import type { User } from '../users/users.types.js';
import { answerAfter } from './answer-time.js';
import { AuthMailService } from './auth-mail.service.js';
import { PasswordChecks } from './password-checks.js';

/**
 * What a sign-up takes once its password is hashed: a transaction that a taken address does not have, and a mail into the
 * queue. Counted from there, because the hash may wait for its turn for longer than any time that could be set here.
 */
export const SIGN_UP_MS_MIN = 150;

export interface SignInRequest extends Credentials {
  /** Token of the session the browser had until now; it ends with this sign-in. */
  previousToken: string | null;
}

export type SignUpResult = { outcome: 'signed_in'; signedIn: SignedIn } | { outcome: 'mail_sent' } | { outcome: 'taken' };

@Injectable()
export class AuthService {
  constructor(
    @Inject(UsersService) private readonly users: UsersService,
    @Inject(SessionsService) private readonly sessions: SessionsService,
    @Inject(PasswordChecks) private readonly passwords: PasswordChecks,
    @Inject(ThrottleService) private readonly throttle: ThrottleService,
    @Inject(AuthMailService) private readonly mails: AuthMailService,
  ) {}

  /**
   * Where mail is configured the result is the same whoever has the address, and the mail says what happened; nobody is
   * signed in before the address is proven. Without mail nothing can be proven: the new user is signed in at once, and a
   * taken address has to be said.
   */
  async signUp({ email, password, previousToken }: SignInRequest): Promise<SignUpResult> {
    this.passwords.require(password, email);
    if (this.mails.isConfigured) await this.throttle.takeMail(email, 'verify_email');
    // For a taken address too: the time of it must not be missing there. Refused for any address while too many wait.
    const passwordHash = await this.passwords.hash(password);
    if (this.mails.isConfigured) {
      return answerAfter(SIGN_UP_MS_MIN, async () => {
        await this.users.create({ email, passwordHash, isVerified: false });
        await this.mails.send('sign_up', { email });
        return { outcome: 'mail_sent' };
      });
    }
    const user = await this.users.create({ email, passwordHash, isVerified: false });
    if (user === null) return { outcome: 'taken' };
    const signedIn = await this.sessions.begin(user, { method: 'password', previousToken });
    // Somebody proved to have the address in the same moment.
    return signedIn === null ? { outcome: 'taken' } : { outcome: 'signed_in', signedIn };
  }

  /**
   * Null for an unknown address, a wrong password, a disabled user and an address that is not confirmed though it could be,
   * after the same work. Throws sign_in_throttled after too many.
   */
  async signIn({ email, password, previousToken }: SignInRequest): Promise<SignedIn | null> {
    const user = await this.throttle.attempt(email, () => this.check(email, password));
    return user === null ? null : this.sessions.begin(user, { method: 'password', previousToken });
  }

  private async check(email: string, password: string): Promise<User | null> {
    const user = await this.users.findByEmail(email);
    const isRight = await this.passwords.matches(user?.passwordHash ?? null, password);
    if (!isRight || user === null || user.isDisabled) return null;
    if (user.isVerified || !this.mails.isConfigured) return user;
    // Said by mail and not in the answer: after a sign-up it would tell whether the address was taken before.
    this.throttle.takeMail(email, 'verify_email').then(
      () => this.mails.sendIfPossible('verify_email', { email }),
      () => undefined,
    );
    return null;
  }
}
