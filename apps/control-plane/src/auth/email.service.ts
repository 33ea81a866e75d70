import { Inject, Injectable } from '@nestjs/common';
import type { VerifyEmail } from '@tensorloop/contracts/api/auth';
import { SessionsService } from '../sessions/sessions.service.js';
import type { SignedIn } from '../sessions/sessions.types.js';
import { ThrottleService } from '../throttle/throttle.service.js';
import { UsersService } from '../users/users.service.js';
import type { User } from '../users/users.types.js';
import { authProblems } from './auth.errors.js';
import { MailTokensService } from './mail-tokens.service.js';
import { PasswordChecks } from './password-checks.js';

@Injectable()
export class EmailService {
  constructor(
    @Inject(UsersService) private readonly users: UsersService,
    @Inject(SessionsService) private readonly sessions: SessionsService,
    @Inject(PasswordChecks) private readonly passwords: PasswordChecks,
    @Inject(ThrottleService) private readonly throttle: ThrottleService,
    @Inject(MailTokensService) private readonly tokens: MailTokensService,
  ) {}

  /**
   * Proves the address, and begins a session unless the browser has one of this user. The mail alone is not enough: else
   * somebody could sign up with a stranger's address, wait for the stranger to click, and share the account from then on.
   */
  async verify({ token, password }: VerifyEmail, sessionToken: string | null): Promise<SignedIn> {
    const mailToken = await this.tokens.find(token, 'verify_email');
    const user = mailToken === null ? null : await this.users.findById(mailToken.userId);
    if (mailToken === null || user === null || user.isDisabled || user.email !== mailToken.email) {
      throw authProblems.link_expired();
    }
    const principal = await this.sessions.authenticate(sessionToken);
    const isOwn = principal?.userId === user.id;
    if (!isOwn) await this.requirePassword(user, password);
    if (!(await this.tokens.use(mailToken))) throw authProblems.link_expired();
    await this.users.verifyEmail(user);
    if (isOwn) return { token: sessionToken as string, userId: user.id, accountId: principal.accountId };
    const signedIn = await this.sessions.begin(user, { method: 'password', previousToken: sessionToken });
    if (signedIn === null) throw authProblems.credentials_wrong();
    return signedIn;
  }

  private async requirePassword(user: User, password: string | undefined): Promise<void> {
    if (password === undefined) throw authProblems.password_needed();
    const isRight = await this.throttle.attempt(user.email, async () =>
      (await this.passwords.matches(user.passwordHash, password)) ? true : null,
    );
    if (isRight === null) throw authProblems.credentials_wrong();
  }
}
