import { randomInt, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { CODE_DIGITS } from '@tensorloop/contracts/api/auth';
import { CLOCK, type Clock } from '../clock.js';
import { MailService } from '../mail/mail.service.js';
import type { MailContent } from '../mail/mail.types.js';
import { SealingService } from '../sealing/sealing.service.js';
import { UsersService } from '../users/users.service.js';
import type { User } from '../users/users.types.js';
import { MAIL_TOKEN_TTL_MS, signInCodeMail } from './auth-mails.rules.js';
import { MailTokensService } from './mail-tokens.service.js';

export const CODE_ATTEMPTS_MAX = 5;

/** What waits in the queue of mails: the code itself is drawn when its turn has come. */
export interface CodeJob {
  email: string;
  tokenHash: string;
  requestedAtMs: number;
}

/** Runs a comparison with the code that an address was sent, or answers null without it. */
export type CodeAttempt = (address: string, work: () => Promise<true | null>) => Promise<true | null>;

/** Codes of six digits, each bound to the browser that asked for it by a token in its cookie. */
@Injectable()
export class CodeService implements OnModuleInit {
  constructor(
    @Inject(MailService) private readonly mails: MailService,
    @Inject(UsersService) private readonly users: UsersService,
    @Inject(MailTokensService) private readonly tokens: MailTokensService,
    @Inject(SealingService) private readonly sealing: SealingService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.mails.define<CodeJob>('sign_in_code', (job) => this.compose(job));
  }

  jobFor(email: string, tokenHash: string): CodeJob {
    return { email, tokenHash, requestedAtMs: this.clock() };
  }

  /** Whose code this is in the browser that holds the token; null when it is not right, or over. `attempt` bounds the guesses. */
  async check(token: string, code: string, attempt: CodeAttempt): Promise<User | null> {
    const mailToken = await this.tokens.find(token, 'sign_in_code');
    if (mailToken === null || mailToken.codeHash === null) return null;
    const { codeHash, tokenHash } = mailToken;
    if (!(await this.tokens.countAttempt(mailToken, CODE_ATTEMPTS_MAX))) return null;
    const isRight = await attempt(mailToken.email, async () =>
      timingSafeEqual(Buffer.from(this.hash(tokenHash, code)), Buffer.from(codeHash)) ? true : null,
    );
    if (isRight === null || !(await this.tokens.use(mailToken))) return null;
    const user = await this.users.findById(mailToken.userId);
    return user === null || user.isDisabled || user.email !== mailToken.email ? null : user;
  }

  private async compose({ email, tokenHash, requestedAtMs }: CodeJob): Promise<MailContent | null> {
    // The queue was held up for so long that the code would be over on arrival.
    if (this.clock() >= requestedAtMs + MAIL_TOKEN_TTL_MS.sign_in_code) return null;
    const user = await this.users.findByEmail(email);
    if (user === null || user.isDisabled) return null;
    const code = String(randomInt(10 ** CODE_DIGITS)).padStart(CODE_DIGITS, '0');
    await this.tokens.createCode(user, { tokenHash, codeHash: this.hash(tokenHash, code), requestedAtMs });
    return signInCodeMail(email, code);
  }

  /** Keyed: a million codes are tried in a second against a plain hash that was stolen. */
  private hash(tokenHash: string, code: string): string {
    return this.sealing.hash('sign-in-code', `${tokenHash} ${code}`);
  }
}
