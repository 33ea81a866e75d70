import { Controller, Delete, HttpCode, HttpStatus, Inject, Req, Res } from '@nestjs/common';
import { Access, RawResponse } from '@tensorloop/nest-kit/access';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import type { Request, Response } from 'express';
import { CurrentPrincipal, type Principal } from '../access/principal.types.js';
import { SESSION_COOKIE_MS, SessionsService } from '../sessions/sessions.service.js';
import { googleProblems } from './google.errors.js';
import { TransactionCookie } from './transaction-cookie.js';
import { UnlinkingService } from './unlinking.service.js';

/** Works where Google is not configured any more, too: what was linked before is somebody's to take away. */
@Controller('api/auth/google/link')
@Access('session')
export class UnlinkingController {
  constructor(
    @Inject(UnlinkingService) private readonly unlinking: UnlinkingService,
    @Inject(SessionsService) private readonly sessions: SessionsService,
    @Inject(TransactionCookie) private readonly cookie: TransactionCookie,
  ) {}

  @Delete()
  @HttpCode(HttpStatus.NO_CONTENT)
  @Summary('Unlink your Google account, where you can sign in without; ends the other sessions')
  @Problems(googleProblems.google_not_linked, googleProblems.google_only_way_in, googleProblems.recent_sign_in_needed)
  @RawResponse('no content')
  async unlink(
    @CurrentPrincipal() principal: Principal,
    @Req() req: Request,
    @Res({ passthrough: true }) res: Response,
  ): Promise<void> {
    // A browser that was left open must not let whoever finds it close the owner's way in.
    if (!(await this.sessions.isRecent(this.cookie.readSession(req)))) throw googleProblems.recent_sign_in_needed();
    const refusal = await this.unlinking.unlink(principal);
    if (refusal !== null) throw googleProblems[refusal]();
    const token = await this.sessions.rotate(principal);
    if (token !== null) this.cookie.writeSession(res, { value: token, maxAgeMs: SESSION_COOKIE_MS });
  }
}
