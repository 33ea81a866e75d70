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
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import { CurrentPrincipal, Permit, type Principal } from '../access/principal.types.js';
import { throttleRefusals } from '../throttle/throttle.types.js';
import { type InviteParams, inviteParamsSchema } from './invites.dto.js';
import { inviteProblems } from './invites.errors.js';
import { InvitesService } from './invites.service.js';

const MS_PER_SECOND = 1_000;

@Controller('api/invites')
@Access('account')
export class InvitesController {
  constructor(@Inject(InvitesService) private readonly invites: InvitesService) {}

  /** A person's alone: whom a leaked token lets in stays when the token is revoked. */
  @Post()
  @Access('session')
  @Permit('members:write')
  @Summary('Invite somebody by address')
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
    if (result.outcome === 'refused') throw inviteProblems[result.code]();
    return result.invite;
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
    const seconds = String(Math.ceil(result.waitMs / MS_PER_SECOND));
    throw inviteProblems.invite_sent_recently({ headers: { 'retry-after': seconds } });
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
