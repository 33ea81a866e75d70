import { Body, Controller, Get, HttpCode, HttpStatus, Inject, Post, Req, Res } from '@nestjs/common';
import {
  type AuthMethods,
  authMethodsSchema,
  mailSentSchema,
  PASSWORD_LENGTH_AIMED,
  PASSWORD_LENGTH_MAX,
  PASSWORD_LENGTH_MIN,
  type SignUpAnswer,
} from '@tensorloop/contracts/api/auth';
import { type Credentials, credentialsSchema, type Me, meSchema } from '@tensorloop/contracts/dashboard-api';
import { Access, AlsoAnswers, RawResponse, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Description, Problems, Summary } from '@tensorloop/nest-kit/operation';
import type { Request, Response } from 'express';
import { CONFIG, type Config } from '../config.js';
import { MAIL_FEATURES } from '../mail/mail.service.js';
import { throttleRefusals } from '../throttle/throttle.types.js';
import { authProblems } from './auth.errors.js';
import { AuthService } from './auth.service.js';
import { BrowserSession } from './browser-session.js';

@Controller('api/auth')
@Access('public')
export class AuthController {
  constructor(
    @Inject(AuthService) private readonly auth: AuthService,
    @Inject(BrowserSession) private readonly session: BrowserSession,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  @Get('methods')
  @Summary('List the ways to sign in that there are')
  @ResponseSchema(authMethodsSchema)
  methods(): AuthMethods {
    const hasMail = this.config.SMTP_URL !== undefined;
    return {
      password: { lengthMin: PASSWORD_LENGTH_MIN, lengthAimed: PASSWORD_LENGTH_AIMED, lengthMax: PASSWORD_LENGTH_MAX },
      google: { isAvailable: this.config.GOOGLE_CLIENT_ID !== undefined },
      code: { isAvailable: hasMail },
      mail: { isAvailable: hasMail, disables: hasMail ? [] : [...MAIL_FEATURES] },
    };
  }

  @Post('sign-up')
  @Summary('Sign up')
  @Description(
    'Where this installation sends mails (`mail` of `GET /api/auth/methods`): 202 and a mail, whoever has the address. Else 201, signed in.',
  )
  @Problems(
    authProblems.email_unavailable,
    authProblems.password_too_common,
    authProblems.password_guessable,
    authProblems.password_length,
    authProblems.mail_unavailable,
    authProblems.sign_in_busy,
    throttleRefusals.mail,
  )
  @ResponseSchema(meSchema)
  @AlsoAnswers(HttpStatus.ACCEPTED, mailSentSchema)
  async signUp(
    @Body({ schema: credentialsSchema }) body: Credentials,
    @Req() req: Request,
    @Res({ passthrough: true }) res: Response,
  ): Promise<SignUpAnswer> {
    const result = await this.auth.signUp({ ...body, previousToken: this.session.read(req) });
    if (result.outcome === 'taken') throw authProblems.email_unavailable();
    if (result.outcome === 'signed_in') return this.session.answer(res, result.signedIn);
    res.status(HttpStatus.ACCEPTED);
    return { status: 'mail_sent' };
  }

  @Post('sign-in')
  @HttpCode(HttpStatus.OK)
  @Summary('Sign in with a password')
  @Problems(authProblems.credentials_wrong, authProblems.sign_in_busy, throttleRefusals.attempt)
  @ResponseSchema(meSchema)
  async signIn(
    @Body({ schema: credentialsSchema }) body: Credentials,
    @Req() req: Request,
    @Res({ passthrough: true }) res: Response,
  ): Promise<Me> {
    const signedIn = await this.auth.signIn({ ...body, previousToken: this.session.read(req) });
    if (signedIn === null) throw authProblems.credentials_wrong();
    return this.session.answer(res, signedIn);
  }

  /** Succeeds without a session too: afterwards there is none. */
  @Post('sign-out')
  @HttpCode(HttpStatus.NO_CONTENT)
  @Summary('Sign out')
  @RawResponse('no content')
  async signOut(@Req() req: Request, @Res({ passthrough: true }) res: Response): Promise<void> {
    await this.session.end(req, res);
    // What pages of ours kept in the browser goes with the session (ASVS 14.3.1). Not "cookies": that clears them for the whole domain.
    res.setHeader('clear-site-data', '"cache", "storage"');
  }
}
