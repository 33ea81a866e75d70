import { Body, Controller, HttpCode, HttpStatus, Inject, Post, Put, Req, Res } from '@nestjs/common';
import {
  type Address,
  addressSchema,
  type MailSent,
  mailSentSchema,
  type PasswordChange,
  type PasswordReset,
  passwordChangeSchema,
  passwordResetSchema,
} from '@tensorloop/contracts/api/auth';
import { Access, RawResponse, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import type { Request, Response } from 'express';
import { CurrentPrincipal, type Principal } from '../access/principal.types.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { ThrottleService } from '../throttle/throttle.service.js';
import { throttleRefusals } from '../throttle/throttle.types.js';
import { authProblems } from './auth.errors.js';
import { AuthMailService } from './auth-mail.service.js';
import { BrowserSession } from './browser-session.js';
import { PasswordService } from './password.service.js';

@Controller('api/auth')
export class PasswordController {
  constructor(
    @Inject(PasswordService) private readonly passwords: PasswordService,
    @Inject(AuthMailService) private readonly mails: AuthMailService,
    @Inject(ThrottleService) private readonly throttle: ThrottleService,
    @Inject(SessionsService) private readonly sessions: SessionsService,
    @Inject(BrowserSession) private readonly session: BrowserSession,
  ) {}

  @Post('password-reset')
  @Access('public')
  @HttpCode(HttpStatus.ACCEPTED)
  @Summary('Ask for a mail that lets a new password be chosen')
  @Problems(authProblems.mail_not_configured, authProblems.mail_unavailable, throttleRefusals.mail)
  @ResponseSchema(mailSentSchema)
  async requestReset(@Body({ schema: addressSchema }) { email }: Address): Promise<MailSent> {
    await this.throttle.takeMail(email, 'reset_password');
    await this.mails.send('reset_password', { email });
    return { status: 'mail_sent' };
  }

  @Post('password-reset/confirm')
  @Access('public')
  @HttpCode(HttpStatus.NO_CONTENT)
  @Summary('Choose a new password by the link of a mail; ends every session')
  @Problems(
    authProblems.link_expired,
    authProblems.password_too_common,
    authProblems.password_guessable,
    authProblems.password_length,
    authProblems.sign_in_busy,
  )
  @RawResponse('no content')
  async reset(@Body({ schema: passwordResetSchema }) body: PasswordReset): Promise<void> {
    await this.passwords.reset(body);
  }

  @Put('password')
  @Access('session')
  @HttpCode(HttpStatus.NO_CONTENT)
  @Summary('Change the password, or set the first one; ends the other sessions')
  @Problems(
    authProblems.current_password_wrong,
    authProblems.recent_sign_in_needed,
    throttleRefusals.attempt,
    authProblems.password_too_common,
    authProblems.password_guessable,
    authProblems.password_length,
    authProblems.sign_in_busy,
  )
  @RawResponse('no content')
  async change(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: passwordChangeSchema }) body: PasswordChange,
    @Req() req: Request,
    @Res({ passthrough: true }) res: Response,
  ): Promise<void> {
    await this.passwords.change(principal, body, await this.sessions.isRecent(this.session.read(req)));
    const token = await this.sessions.rotate(principal);
    if (token !== null) this.session.write(res, token);
  }
}
