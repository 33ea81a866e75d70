import { Body, Controller, HttpCode, HttpStatus, Inject, Post, Req, Res } from '@nestjs/common';
import {
  type Address,
  addressSchema,
  type CodeVerify,
  codeVerifySchema,
  type MailSent,
  mailSentSchema,
} from '@tensorloop/contracts/api/auth';
import { type Me, meSchema } from '@tensorloop/contracts/dashboard-api';
import { Access, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import type { Request, Response } from 'express';
import { CookiesService } from '../cookies/cookies.service.js';
import { throttleRefusals } from '../throttle/throttle.types.js';
import { authProblems } from './auth.errors.js';
import { MAIL_TOKEN_TTL_MS } from './auth-mails.rules.js';
import { BrowserSession } from './browser-session.js';
import { CodeSignInService } from './code-sign-in.service.js';

@Controller('api/auth/code')
@Access('public')
export class CodeController {
  constructor(
    @Inject(CodeSignInService) private readonly codes: CodeSignInService,
    @Inject(CookiesService) private readonly cookies: CookiesService,
    @Inject(BrowserSession) private readonly session: BrowserSession,
  ) {}

  @Post()
  @HttpCode(HttpStatus.ACCEPTED)
  @Summary('Ask for a mail with a code to sign in')
  @Problems(authProblems.mail_not_configured, authProblems.mail_unavailable, throttleRefusals.mail)
  @ResponseSchema(mailSentSchema)
  async request(
    @Body({ schema: addressSchema }) { email }: Address,
    @Res({ passthrough: true }) res: Response,
  ): Promise<MailSent> {
    const token = await this.codes.request(email);
    this.cookies.write(res, 'code', { value: token, maxAgeMs: MAIL_TOKEN_TTL_MS.sign_in_code });
    return { status: 'mail_sent' };
  }

  @Post('verify')
  @HttpCode(HttpStatus.OK)
  @Summary('Sign in with the code of the mail')
  @Problems(authProblems.code_wrong, throttleRefusals.attempt)
  @ResponseSchema(meSchema)
  async verify(
    @Body({ schema: codeVerifySchema }) { code }: CodeVerify,
    @Req() req: Request,
    @Res({ passthrough: true }) res: Response,
  ): Promise<Me> {
    const token = this.cookies.read(req, 'code');
    const signedIn = token === null ? null : await this.codes.verify(token, code, this.session.read(req));
    if (signedIn === null) throw authProblems.code_wrong();
    this.cookies.clear(res, 'code');
    return this.session.answer(res, signedIn);
  }
}
