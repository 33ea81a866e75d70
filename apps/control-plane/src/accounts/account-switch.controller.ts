import { Controller, HttpCode, HttpStatus, Inject, Param, Post, Res } from '@nestjs/common';
import { type Me, meSchema } from '@tensorloop/contracts/dashboard-api';
import { Access, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import { CurrentPrincipal, type Principal } from '../access/principal.types.js';
import { type CookieResponse, CookiesService } from '../cookies/cookies.service.js';
import { SESSION_COOKIE_MS } from '../sessions/sessions.service.js';
import { AccountSwitchService } from './account-switch.service.js';
import { type AccountParams, accountParamsSchema } from './accounts.dto.js';
import { accountProblems } from './accounts.errors.js';

@Controller('api/accounts')
@Access('session')
export class AccountSwitchController {
  constructor(
    @Inject(AccountSwitchService) private readonly switching: AccountSwitchService,
    @Inject(CookiesService) private readonly cookies: CookiesService,
  ) {}

  @Post(':id/switch')
  @HttpCode(HttpStatus.OK)
  @Summary('Let this session act for another of your accounts')
  @Problems(accountProblems.account_not_found)
  @ResponseSchema(meSchema)
  async switchTo(
    @CurrentPrincipal() principal: Principal,
    @Param({ schema: accountParamsSchema }) { id }: AccountParams,
    @Res({ passthrough: true }) res: CookieResponse,
  ): Promise<Me> {
    const result = await this.switching.switchTo(principal, id);
    if (result.outcome === 'not_found') throw accountProblems.account_not_found();
    if (result.outcome === 'session_over') throw accountProblems.session_missing();
    this.cookies.write(res, 'session', { value: result.token, maxAgeMs: SESSION_COOKIE_MS });
    return result.me;
  }
}
