import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Inject, Param, Post, Query } from '@nestjs/common';
import {
  type InviteCreate,
  type InviteListQuery,
  type InviteSent,
  inviteCreateSchema,
  inviteListQuerySchema,
  invitePageSchema,
  inviteSentSchema,
} from '@tensorloop/contracts/api/members';
import { Access, RawResponse, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Idempotent } from '@tensorloop/nest-kit/idempotent';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import { exhaustedHeaders } from '@tensorloop/nest-kit/rate-limit';
import { CurrentPrincipal, Permit, type Principal } from '../access/principal.types.js';
import { throttleRefusals } from '../throttle/throttle.types.js';
import { type InviteParams, inviteParamsSchema } from './invites.dto.js';
import { inviteProblems } from './invites.errors.js';
import { INVITE_POLICIES } from './invites.rules.js';
import { InvitesService } from './invites.service.js';

@Controller('api/invites')
@Access('account')
export class InvitesController {
  constructor(@Inject(InvitesService) private readonly invites: InvitesService) {}

  /** A person's alone: whom a leaked token lets in stays when the token is revoked. */
  @Post()
  @Access('session')
  @Permit('members:write')
  @Summary('Invite somebody by address')
  @Idempotent()
  @Problems(
    inviteProblems.role_above_own,
    inviteProblems.already_member,
    inviteProblems.invite_open_already,
    inviteProblems.invite_limit_reached,
    inviteProblems.invite_daily_limit_reached,
    inviteProblems.account_not_active,
    throttleRefusals.mail,
  )
  @ResponseSchema(inviteSentSchema)
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: inviteCreateSchema }) invite: InviteCreate,
  ): Promise<InviteSent> {
    const result = await this.invites.create(principal, invite);
    if (result.outcome === 'sent') return result.invite;
    if (result.code !== 'invite_daily_limit_reached') throw inviteProblems[result.code]();
    throw inviteProblems.invite_daily_limit_reached({ headers: exhaustedHeaders(INVITE_POLICIES.daily, result.waitMs) });
  }

  @Get()
  @Permit('members:read')
  @Summary('List the invitations of the account')
  @ResponseSchema(invitePageSchema)
  list(@CurrentPrincipal() { accountId }: Principal, @Query({ schema: inviteListQuerySchema }) query: InviteListQuery) {
    return this.invites.list(accountId, query);
  }

  @Post(':id/resend')
  @Access('session')
  @HttpCode(HttpStatus.OK)
  @Permit('members:write')
  @Summary('Send an invitation again, with a new link')
  @Idempotent()
  @Problems(
    inviteProblems.invite_not_found,
    inviteProblems.invite_not_open,
    inviteProblems.invite_above_role,
    inviteProblems.invite_sent_recently,
    throttleRefusals.mail,
  )
  @ResponseSchema(inviteSentSchema)
  async resend(
    @CurrentPrincipal() principal: Principal,
    @Param({ schema: inviteParamsSchema }) { id }: InviteParams,
  ): Promise<InviteSent> {
    const result = await this.invites.resend(principal, id);
    if (result.outcome === 'refused') throw inviteProblems[result.code]();
    if (result.outcome === 'sent') return result.invite;
    throw inviteProblems.invite_sent_recently({ headers: exhaustedHeaders(INVITE_POLICIES.resend, result.waitMs) });
  }

  @Delete(':id')
  @HttpCode(HttpStatus.NO_CONTENT)
  @Permit('members:write')
  @Summary('Revoke an invitation')
  @Problems(inviteProblems.invite_not_found, inviteProblems.invite_not_open, inviteProblems.invite_above_role)
  @RawResponse('no content')
  async revoke(
    @CurrentPrincipal() principal: Principal,
    @Param({ schema: inviteParamsSchema }) { id }: InviteParams,
  ): Promise<void> {
    const result = await this.invites.revoke(principal, id);
    if (result.outcome === 'refused') throw inviteProblems[result.code]();
  }
}
