import { Inject, Injectable } from '@nestjs/common';
import type { PasswordChange, PasswordReset } from '@tensorloop/contracts/api/auth';
import type { Principal } from '../access/principal.types.js';
import { ThrottleService } from '../throttle/throttle.service.js';
import { UsersService } from '../users/users.service.js';
import type { User } from '../users/users.types.js';
import { authProblems } from './auth.errors.js';
import { AuthMailService } from './auth-mail.service.js';
import { MailTokensService } from './mail-tokens.service.js';
import { PasswordChecks } from './password-checks.js';

@Injectable()
export class PasswordService {
  constructor(
    @Inject(UsersService) private readonly users: UsersService,
    @Inject(PasswordChecks) private readonly passwords: PasswordChecks,
    @Inject(ThrottleService) private readonly throttle: ThrottleService,
    @Inject(MailTokensService) private readonly tokens: MailTokensService,
    @Inject(AuthMailService) private readonly mails: AuthMailService,
  ) {}

  /** By the link of a mail, which proves the address. Ends every session. */
  async reset({ token, password }: PasswordReset): Promise<void> {
    const mailToken = await this.tokens.find(token, 'reset_password');
    const user = mailToken === null ? null : await this.users.findById(mailToken.userId);
    if (mailToken === null || user === null || user.isDisabled || user.email !== mailToken.email) {
      throw authProblems.link_expired();
    }
    this.passwords.require(password, user.email);
    const passwordHash = await this.passwords.hash(password);
    if (!(await this.tokens.use(mailToken))) throw authProblems.link_expired();
    await this.users.setPassword(user, passwordHash, null);
    await this.throttle.forgive(user.email);
    this.mails.sendIfPossible('password_changed', { email: user.email });
  }

  /** By somebody who is signed in. Ends the other sessions; the caller rotates this one. */
  async change(principal: Principal, { currentPassword, newPassword }: PasswordChange, isRecentSignIn: boolean): Promise<void> {
    const user = await this.users.findById(principal.userId);
    if (user === null) throw authProblems.session_missing();
    if (user.passwordHash !== null) await this.requireCurrent(user, currentPassword);
    else if (!isRecentSignIn) throw authProblems.recent_sign_in_needed();
    this.passwords.require(newPassword, user.email, '/newPassword');
    const passwordHash = await this.passwords.hash(newPassword);
    const { credentialId: id, accountId } = principal;
    if (!(await this.users.setPassword(user, passwordHash, { id, accountId }))) throw currentPasswordWrong();
    this.mails.sendIfPossible('password_changed', { email: user.email });
  }

  private async requireCurrent(user: User, password: string | undefined): Promise<void> {
    const isRight = await this.throttle.attempt(user.email, async () =>
      password !== undefined && (await this.passwords.matches(user.passwordHash, password)) ? true : null,
    );
    if (isRight === null) throw currentPasswordWrong();
  }
}

function currentPasswordWrong(): Error {
  const message = 'expected the current password';
  return authProblems.current_password_wrong({ errors: [{ pointer: '/currentPassword', message }] });
}
