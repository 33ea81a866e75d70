import { Body, Controller, HttpCode, HttpStatus, Inject, Post, Res } from '@nestjs/common';
import {
  type InviteAccept,
  type InviteAccepted,
  type InviteOffer,
  type InviteToken,
  inviteAcceptedSchema,
  inviteAcceptSchema,
  inviteOfferSchema,
  inviteTokenSchema,
} from '@tensorloop/contracts/api/members';
import { Access, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import { CurrentPrincipal, type Principal } from '../access/principal.types.js';
import { type CookieResponse, CookiesService } from '../cookies/cookies.service.js';
import { SESSION_COOKIE_MS } from '../sessions/sessions.service.js';
import { AcceptanceService } from './acceptance.service.js';
import { inviteProblems } from './invites.errors.js';

const ACCEPT_REFUSALS = [
  inviteProblems.invite_invalid,
  inviteProblems.invite_for_other_address,
  inviteProblems.email_unverified,
  inviteProblems.account_not_active,
  inviteProblems.already_member,
  inviteProblems.members_limit_reached,
  inviteProblems.memberships_limit_reached,
] as const;

/** Of the person with the link, whichever account the session acts for. */
@Controller('api/invites')
export class AcceptanceController {
  constructor(
    @Inject(AcceptanceService) private readonly acceptance: AcceptanceService,
    @Inject(CookiesService) private readonly cookies: CookiesService,
  ) {}

  /** For the page that the link opens, before anybody signs in: whoever has the token was sent it. */
  @Post('look-up')
  @Access('public')
  @HttpCode(HttpStatus.OK)
  @Summary('Who invites whom to what, by the token of a link')
  @Problems(inviteProblems.invite_invalid, inviteProblems.account_not_active)
  @ResponseSchema(inviteOfferSchema)
  async look(@Body({ schema: inviteTokenSchema }) { token }: InviteToken): Promise<InviteOffer> {
    const result = await this.acceptance.look(token);
    if (result.outcome === 'refused') throw inviteProblems[result.code]();
    return result.offer;
  }

  @Post('accept')
  @Access('session')
  @HttpCode(HttpStatus.OK)
  @Summary('Accept the invitation of a link, and act for its account if you like')
  @Problems(...ACCEPT_REFUSALS)
  @ResponseSchema(inviteAcceptedSchema)
  async accept(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: inviteAcceptSchema }) { token, switchesAccount }: InviteAccept,
    @Res({ passthrough: true }) res: CookieResponse,
  ): Promise<InviteAccepted> {
    const result = await this.acceptance.accept(principal.userId, token);
    if (result.outcome === 'refused') throw inviteProblems[result.code]();
    const switched = switchesAccount ? await this.acceptance.switchTo(principal, result.accepted.accountId) : null;
    if (switched !== null) this.cookies.write(res, 'session', { value: switched.token, maxAgeMs: SESSION_COOKIE_MS });
    return { ...result.accepted, me: switched?.me ?? null };
  }
}
