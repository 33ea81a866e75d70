import { Body, Controller, HttpCode, HttpStatus, Inject, Post } from '@nestjs/common';
import {
  type InviteAccepted,
  type InviteOffer,
  type InviteToken,
  inviteAcceptedSchema,
  inviteOfferSchema,
  inviteTokenSchema,
} from '@tensorloop/contracts/api/members';
import { Access, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import { CurrentPrincipal, type Principal } from '../access/principal.types.js';
import { AcceptanceService } from './acceptance.service.js';
import { inviteProblems } from './invites.errors.js';

const REFUSALS = [
  inviteProblems.invite_invalid,
  inviteProblems.invite_for_other_address,
  inviteProblems.email_unverified,
  inviteProblems.account_not_active,
  inviteProblems.already_member,
  inviteProblems.members_limit_reached,
  inviteProblems.memberships_limit_reached,
] as const;

/** Personal: the person with the link, whichever account the session acts for. */
@Controller('api/invites')
@Access('session')
export class AcceptanceController {
  constructor(@Inject(AcceptanceService) private readonly acceptance: AcceptanceService) {}

  @Post('look-up')
  @HttpCode(HttpStatus.OK)
  @Summary('What the invitation of a link asks')
  @Problems(...REFUSALS)
  @ResponseSchema(inviteOfferSchema)
  async look(
    @CurrentPrincipal() { userId }: Principal,
    @Body({ schema: inviteTokenSchema }) { token }: InviteToken,
  ): Promise<InviteOffer> {
    const result = await this.acceptance.look(userId, token);
    if (result.outcome === 'refused') throw inviteProblems[result.code]();
    return result.offer;
  }

  @Post('accept')
  @HttpCode(HttpStatus.OK)
  @Summary('Accept the invitation of a link')
  @Problems(...REFUSALS)
  @ResponseSchema(inviteAcceptedSchema)
  async accept(
    @CurrentPrincipal() { userId }: Principal,
    @Body({ schema: inviteTokenSchema }) { token }: InviteToken,
  ): Promise<InviteAccepted> {
    const result = await this.acceptance.accept(userId, token);
    if (result.outcome === 'refused') throw inviteProblems[result.code]();
    return result.accepted;
  }
}
