import { Body, Controller, HttpCode, HttpStatus, Inject, Post, Req, Res } from '@nestjs/common';
import { type Credentials, credentialsSchema, type Me, meSchema } from '@tensorloop/contracts/dashboard-api';
import { Access, RawResponse, ResponseSchema } from '@tensorloop/nest-kit/access';
import type { Request, Response } from 'express';
import { AccountsService } from '../accounts/accounts.service.js';
import { authProblems } from './auth.errors.js';
import { AuthService, type SignedIn, type SignInRequest } from './auth.service.js';
import { PasswordHasherBusyError } from './password-hasher.js';
import { SessionCookie } from './session-cookie.js';
import { SignInThrottledError } from './sign-in-throttle.js';

const MS_PER_SECOND = 1_000;
const BUSY_HEADERS = { 'retry-after': '1' };

@Controller('api/auth')
@Access('public')
export class AuthController {
  constructor(
    @Inject(AuthService) private readonly auth: AuthService,
    @Inject(AccountsService) private readonly accounts: AccountsService,
    @Inject(SessionCookie) private readonly cookie: SessionCookie,
  ) {}

  @Post('sign-up')
  @ResponseSchema(meSchema)
  async signUp(
    @Body({ schema: credentialsSchema }) body: Credentials,
    @Req() req: Request,
    @Res({ passthrough: true }) res: Response,
  ): Promise<Me> {
    const signedIn = await this.auth.signUp(this.toRequest(body, req)).catch(refuseWhenBusy);
    if (signedIn === null) throw authProblems.email_unavailable();
    return this.answer(res, signedIn);
  }

  @Post('sign-in')
  @HttpCode(HttpStatus.OK)
  @ResponseSchema(meSchema)
  async signIn(
    @Body({ schema: credentialsSchema }) body: Credentials,
    @Req() req: Request,
    @Res({ passthrough: true }) res: Response,
  ): Promise<Me> {
    const signedIn = await this.auth.signIn(this.toRequest(body, req)).catch(refuseWhenThrottled).catch(refuseWhenBusy);
    if (signedIn === null) throw authProblems.credentials_wrong();
    return this.answer(res, signedIn);
  }

  /** Succeeds without a session too: afterwards there is none. */
  @Post('sign-out')
  @HttpCode(HttpStatus.NO_CONTENT)
  @RawResponse('no content')
  async signOut(@Req() req: Request, @Res({ passthrough: true }) res: Response): Promise<void> {
    await this.auth.signOut(this.cookie.read(req));
    this.cookie.clear(res);
  }

  private toRequest(body: Credentials, req: Request): SignInRequest {
    return { ...body, userAgent: req.headers['user-agent'] ?? '', previousToken: this.cookie.read(req) };
  }

  private answer(res: Response, { token, userId, accountId }: SignedIn): Promise<Me> {
    this.cookie.write(res, token);
    return this.accounts.getMe(accountId, userId);
  }
}

function refuseWhenThrottled(err: unknown): never {
  if (!(err instanceof SignInThrottledError)) throw err;
  const seconds = Math.ceil(err.retryAfterMs / MS_PER_SECOND);
  throw authProblems.sign_in_throttled({ headers: { 'retry-after': String(seconds) } });
}

function refuseWhenBusy(err: unknown): never {
  if (err instanceof PasswordHasherBusyError) throw authProblems.sign_in_busy({ headers: BUSY_HEADERS });
  throw err;
}
