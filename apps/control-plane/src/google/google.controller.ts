import { Body, Controller, Get, HttpCode, HttpStatus, Inject, Post, Query, Req, Res } from '@nestjs/common';
import {
  type GoogleCallbackQuery,
  type GoogleLink,
  type GoogleLinkAnswer,
  type GoogleStartQuery,
  googleCallbackQuerySchema,
  googleLinkAnswerSchema,
  googleLinkSchema,
  googleStartQuerySchema,
} from '@tensorloop/contracts/api/auth';
import { Access, RawResponse, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import type { Request, Response } from 'express';
import { CurrentPrincipal, type Principal } from '../access/principal.types.js';
import { SESSION_COOKIE_MS, SessionsService } from '../sessions/sessions.service.js';
import { googleProblems } from './google.errors.js';
import { GoogleService } from './google.service.js';
import { TransactionCookie } from './transaction-cookie.js';

/** There whether or not Google is configured, so that the API's description does not depend on it; then they answer 404. */
@Controller('api/auth/google')
@Problems(googleProblems.google_not_configured)
export class GoogleController {
  constructor(
    @Inject(GoogleService) private readonly google: GoogleService,
    @Inject(SessionsService) private readonly sessions: SessionsService,
    @Inject(TransactionCookie) private readonly cookie: TransactionCookie,
  ) {}

  @Get()
  @Access('public')
  @HttpCode(HttpStatus.SEE_OTHER)
  @Summary('Sign in with Google: sends the browser there')
  @RawResponse('a redirect to Google')
  async start(@Query({ schema: googleStartQuerySchema }) { returnTo }: GoogleStartQuery, @Res() res: Response): Promise<void> {
    this.requireGoogle();
    const { url, transaction } = await this.google.begin(returnTo, null);
    this.cookie.write(res, transaction);
    res.redirect(HttpStatus.SEE_OTHER, url);
  }

  @Get('callback')
  @Access('public')
  @HttpCode(HttpStatus.SEE_OTHER)
  @Summary('Where Google sends the browser back to')
  @RawResponse('a redirect into the dashboard, with ?error=… when it did not work')
  async callback(
    @Query({ schema: googleCallbackQuerySchema }) query: GoogleCallbackQuery,
    @Req() req: Request,
    @Res() res: Response,
  ): Promise<void> {
    this.requireGoogle();
    const transaction = this.cookie.read(req);
    // Once, whatever comes of it.
    this.cookie.clear(res);
    const { path, token } = await this.google.finish(query, transaction, this.cookie.readSession(req));
    if (token !== null) this.cookie.writeSession(res, { value: token, maxAgeMs: SESSION_COOKIE_MS });
    res.redirect(HttpStatus.SEE_OTHER, path);
  }

  @Post('link')
  @Access('session')
  @HttpCode(HttpStatus.OK)
  @Summary('Link a Google account to yours: answers with where to send the browser')
  @Problems(googleProblems.google_not_configured, googleProblems.recent_sign_in_needed)
  @ResponseSchema(googleLinkAnswerSchema)
  async link(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: googleLinkSchema }) { returnTo }: GoogleLink,
    @Req() req: Request,
    @Res({ passthrough: true }) res: Response,
  ): Promise<GoogleLinkAnswer> {
    this.requireGoogle();
    // A browser that was left open must not give whoever finds it a way in that stays.
    if (!(await this.sessions.isRecent(this.cookie.readSession(req)))) throw googleProblems.recent_sign_in_needed();
    const { url, transaction } = await this.google.begin(returnTo, principal.userId);
    this.cookie.write(res, transaction);
    return { url };
  }

  private requireGoogle(): void {
    if (!this.google.isConfigured) throw googleProblems.google_not_configured();
  }
}
