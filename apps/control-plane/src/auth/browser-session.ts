import { Inject, Injectable } from '@nestjs/common';
import type { Me } from '@tensorloop/contracts/dashboard-api';
import type { Principal } from '../access/principal.types.js';
import { AccountsService } from '../accounts/accounts.service.js';
import { type CookieRequest, type CookieResponse, CookiesService } from '../cookies/cookies.service.js';
import { SESSION_COOKIE_MS, SessionsService } from '../sessions/sessions.service.js';
import type { SignedIn } from '../sessions/sessions.types.js';

/** The session that a browser holds in its cookie. */
@Injectable()
export class BrowserSession {
  constructor(
    @Inject(CookiesService) private readonly cookies: CookiesService,
    @Inject(SessionsService) private readonly sessions: SessionsService,
    @Inject(AccountsService) private readonly accounts: AccountsService,
  ) {}

  /** Its token as it came. */
  read(req: CookieRequest): string | null {
    return this.cookies.read(req, 'session');
  }

  /** Whose it is; null when there is none, or it is over. */
  authenticate(req: CookieRequest): Promise<Principal | null> {
    return this.sessions.authenticate(this.read(req));
  }

  write(res: CookieResponse, token: string): void {
    this.cookies.write(res, 'session', { value: token, maxAgeMs: SESSION_COOKIE_MS });
  }

  /** Hands the session to the browser and says who it is. */
  answer(res: CookieResponse, { token, userId, accountId }: SignedIn): Promise<Me> {
    this.write(res, token);
    return this.accounts.getMe(accountId, userId);
  }

  async end(req: CookieRequest, res: CookieResponse): Promise<void> {
    await this.sessions.end(this.read(req));
    this.cookies.clear(res, 'session');
  }
}
