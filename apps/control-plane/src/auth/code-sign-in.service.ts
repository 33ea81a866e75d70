import { Inject, Injectable } from '@nestjs/common';
import { SessionsService } from '../sessions/sessions.service.js';
import type { SignedIn } from '../sessions/sessions.types.js';
import { ThrottleService } from '../throttle/throttle.service.js';
import { UsersService } from '../users/users.service.js';
import type { User } from '../users/users.types.js';
import { answerAfter } from './answer-time.js';
import { AuthMailService } from './auth-mail.service.js';
import { type CodeAttempt, CodeService } from './code.service.js';
import { mailTokenHash, newMailToken } from './mail-tokens.service.js';

/** Longer than checking a code takes in peace. */
const VERIFY_MS_MIN = 100;

@Injectable()
export class CodeSignInService {
  constructor(
    @Inject(CodeService) private readonly codes: CodeService,
    @Inject(AuthMailService) private readonly mails: AuthMailService,
    @Inject(ThrottleService) private readonly throttle: ThrottleService,
    @Inject(UsersService) private readonly users: UsersService,
    @Inject(SessionsService) private readonly sessions: SessionsService,
  ) {}

  /** Returns the token for the browser's cookie; the same happens for an address that nobody has. */
  async request(email: string): Promise<string> {
    await this.throttle.takeMail(email, 'sign_in_code');
    const token = newMailToken();
    await this.mails.send('sign_in_code', this.codes.jobFor(email, mailTokenHash(token)));
    return token;
  }

  /** Null for a wrong code, and for one that was never sent. */
  verify(token: string, code: string, previousToken: string | null): Promise<SignedIn | null> {
    return answerAfter(VERIFY_MS_MIN, async () => {
      const attempt: CodeAttempt = (address, work) => this.throttle.attemptCode(address, work);
      const user = await this.throttle.attempt(`code ${mailTokenHash(token)}`, () => this.codes.check(token, code, attempt));
      return user === null ? null : this.enter(user, previousToken);
    });
  }

  private async enter(user: User, previousToken: string | null): Promise<SignedIn | null> {
    await this.users.claimAddress(user, 'code');
    return this.sessions.begin(user, { method: 'code', previousToken });
  }
}
