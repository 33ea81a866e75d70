import { Controller, Delete, Get, HttpCode, HttpStatus, Inject, Param, Res } from '@nestjs/common';
import { toCompleteList } from '@tensorloop/contracts/api/pages';
import {
  type SessionList,
  type SessionParams,
  type SessionsRevoked,
  sessionListSchema,
  sessionParamsSchema,
  sessionsRevokedSchema,
} from '@tensorloop/contracts/api/sessions';
import { Access, RawResponse, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Description, Problems, Summary } from '@tensorloop/nest-kit/operation';
import type { Response } from 'express';
import { CurrentPrincipal, type Principal } from '../access/principal.types.js';
import { CookiesService } from '../cookies/cookies.service.js';
import { sessionProblems } from './sessions.errors.js';
import { SessionsService } from './sessions.service.js';

@Controller('api/sessions')
@Access('session')
export class SessionsController {
  constructor(
    @Inject(SessionsService) private readonly sessions: SessionsService,
    @Inject(CookiesService) private readonly cookies: CookiesService,
  ) {}

  @Get()
  @Summary('List where you are signed in')
  @Description('All of them in one page: nobody has more than 50.')
  @ResponseSchema(sessionListSchema)
  async list(@CurrentPrincipal() principal: Principal): Promise<SessionList> {
    return toCompleteList(await this.sessions.list(principal));
  }

  @Delete()
  @HttpCode(HttpStatus.OK)
  @Summary('Sign out everywhere else')
  @ResponseSchema(sessionsRevokedSchema)
  async revokeOthers(@CurrentPrincipal() principal: Principal): Promise<SessionsRevoked> {
    return { revoked: await this.sessions.revokeOthers(principal) };
  }

  @Delete(':id')
  @HttpCode(HttpStatus.NO_CONTENT)
  @Summary('End a session')
  @Problems(sessionProblems.session_not_found)
  @RawResponse('no content')
  async revoke(
    @CurrentPrincipal() principal: Principal,
    @Param({ schema: sessionParamsSchema }) { id }: SessionParams,
    @Res({ passthrough: true }) res: Response,
  ): Promise<void> {
    if (!(await this.sessions.revoke(principal, id))) throw sessionProblems.session_not_found();
    if (id === principal.credentialId) this.cookies.clear(res, 'session');
  }
}
