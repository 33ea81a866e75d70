import { Body, Controller, HttpCode, HttpStatus, Inject, Post, Req, Res } from '@nestjs/common';
import {
  type Address,
  addressSchema,
  type MailSent,
  mailSentSchema,
  type VerifyEmail,
  verifyEmailSchema,
} from '@tensorloop/contracts/api/auth';
import { type Me, meSchema } from '@tensorloop/contracts/dashboard-api';
import { Access, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import type { Request, Response } from 'express';
import { ThrottleService } from '../throttle/throttle.service.js';
import { throttleRefusals } from '../throttle/throttle.types.js';
import { authProblems } from './auth.errors.js';
import { AuthMailService } from './auth-mail.service.js';
import { BrowserSession } from './browser-session.js';
import { EmailService } from './email.service.js';

@Controller('api/auth/verify-email')
@Access('public')
export class EmailController {
  constructor(
    @Inject(EmailService) private readonly email: EmailService,
    @Inject(AuthMailService) private readonly mails: AuthMailService,
    @Inject(ThrottleService) private readonly throttle: ThrottleService,
    @Inject(BrowserSession) private readonly session: BrowserSession,
  ) {}

  @Post()
  @HttpCode(HttpStatus.OK)
  @Summary('Confirm the address of a sign-up and sign in')
  @Problems(
    authProblems.link_expired,
    authProblems.password_needed,
    authProblems.credentials_wrong,
    authProblems.sign_in_busy,
    throttleRefusals.attempt,
  )
  @ResponseSchema(meSchema)
  async verify(
    @Body({ schema: verifyEmailSchema }) body: VerifyEmail,
    @Req() req: Request,
    @Res({ passthrough: true }) res: Response,
  ): Promise<Me> {
    return this.session.answer(res, await this.email.verify(body, this.session.read(req)));
  }

  @Post('resend')
  @HttpCode(HttpStatus.ACCEPTED)
  @Summary('Send the mail that confirms an address again')
  @Problems(authProblems.mail_not_configured, authProblems.mail_unavailable, throttleRefusals.mail)
  @ResponseSchema(mailSentSchema)
  async resend(@Body({ schema: addressSchema }) { email }: Address): Promise<MailSent> {
    await this.throttle.takeMail(email, 'verify_email');
    await this.mails.send('verify_email', { email });
    return { status: 'mail_sent' };
  }
}
