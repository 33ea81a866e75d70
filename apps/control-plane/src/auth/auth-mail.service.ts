import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { CONFIG, type Config } from '../config.js';
import { MailService } from '../mail/mail.service.js';
import type { MailContent } from '../mail/mail.types.js';
import { MailUnavailableError } from '../mail/mail.types.js';
import { UsersService } from '../users/users.service.js';
import { authProblems } from './auth.errors.js';
import { addressTakenMail, passwordChangedMail, resetPasswordMail, verifyEmailMail } from './auth-mails.rules.js';
import { MailTokensService } from './mail-tokens.service.js';

const RETRY_HEADERS = { 'retry-after': '5' };

type AuthMail = 'sign_up' | 'verify_email' | 'reset_password' | 'password_changed';

interface AddressJob {
  email: string;
}

/**
 * Mails about signing in. A request only queues an address; whether there is anybody to write to, and what, is decided when
 * the mail's turn has come, so that the request tells nothing by its answer or its time.
 */
@Injectable()
export class AuthMailService implements OnModuleInit {
  constructor(
    @Inject(MailService) private readonly mails: MailService,
    @Inject(UsersService) private readonly users: UsersService,
    @Inject(MailTokensService) private readonly tokens: MailTokensService,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.mails.define<AddressJob>('sign_up', ({ email }) => this.composeSignUp(email));
    this.mails.define<AddressJob>('verify_email', ({ email }) => this.composeVerification(email));
    this.mails.define<AddressJob>('reset_password', ({ email }) => this.composeReset(email));
    this.mails.define<AddressJob>('password_changed', ({ email }) =>
      Promise.resolve(passwordChangedMail(email, this.config.PUBLIC_URL)),
    );
  }

  get isConfigured(): boolean {
    return this.mails.isConfigured;
  }

  /** Throws mail_not_configured or mail_unavailable, whomever the mail is for. */
  async send(name: AuthMail | 'sign_in_code', job: AddressJob): Promise<void> {
    if (!this.isConfigured) throw authProblems.mail_not_configured();
    try {
      await this.mails.enqueue(name, job);
    } catch (err) {
      if (!(err instanceof MailUnavailableError)) throw err;
      throw authProblems.mail_unavailable({ cause: err, headers: RETRY_HEADERS });
    }
  }

  /** For what has happened already and does not depend on the mail. */
  sendIfPossible(name: AuthMail, job: AddressJob): void {
    if (!this.isConfigured) return;
    this.send(name, job).catch((err: unknown) => this.logger.warn({ err, mail: name }, 'a mail was not queued'));
  }

  private async composeSignUp(email: string): Promise<MailContent | null> {
    const user = await this.users.findByEmail(email);
    if (user === null || user.isDisabled) return null;
    return user.isVerified ? addressTakenMail(email, this.config.PUBLIC_URL) : this.composeVerification(email);
  }

  private async composeVerification(email: string): Promise<MailContent | null> {
    const user = await this.users.findByEmail(email);
    if (user === null || user.isDisabled || user.isVerified) return null;
    return verifyEmailMail(email, this.config.PUBLIC_URL, await this.tokens.createLink(user, 'verify_email'));
  }

  private async composeReset(email: string): Promise<MailContent | null> {
    const user = await this.users.findByEmail(email);
    if (user === null || user.isDisabled) return null;
    return resetPasswordMail(email, this.config.PUBLIC_URL, await this.tokens.createLink(user, 'reset_password'));
  }
}
