import { Inject, Injectable } from '@nestjs/common';
import { isPermitted, type Permission } from '../access/permission.types.js';
import type { Principal } from '../access/principal.types.js';
import { CookiesService } from '../cookies/cookies.service.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { TokenAccessService } from '../tokens/token-access.service.js';

export interface Credentials {
  headers: { authorization?: string | undefined; cookie?: string | undefined };
}

/** Whether a stream that is open may stay so: whoever opened it would still be let in. */
@Injectable()
export class StreamAccessService {
  constructor(
    @Inject(SessionsService) private readonly sessions: SessionsService,
    @Inject(CookiesService) private readonly cookies: CookiesService,
    @Inject(TokenAccessService) private readonly tokens: TokenAccessService,
  ) {}

  /**
   * The same credential, for the same account, with the permission. An open stream is no use of a session: it ends when its
   * idle time is over. Rejects where that cannot be found out.
   */
  async isStillPermitted(request: Credentials, opened: Principal, permission: Permission): Promise<boolean> {
    const now = await this.find(request, opened);
    return now !== null && now.accountId === opened.accountId && isPermitted(now.role, permission);
  }

  private async find(request: Credentials, opened: Principal): Promise<Principal | null> {
    if (opened.kind === 'session') return this.sessions.authenticate(this.cookies.read(request, 'session'), { isUse: false });
    // A token that is not valid any more is a problem that is thrown, and as good as an answer.
    return this.tokens.findPrincipal(request.headers.authorization, 'account').catch((err: unknown) => {
      if (err instanceof Error && 'code' in err && err.code === 'token_invalid') return null;
      throw err;
    });
  }
}
