import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Inject, Param, Patch, Query } from '@nestjs/common';
import {
  type Member,
  type MemberPatch,
  memberPageSchema,
  memberPatchSchema,
  memberSchema,
} from '@tensorloop/contracts/api/members';
import { type PageQuery, pageQuerySchema } from '@tensorloop/contracts/api/pages';
import { Access, RawResponse, ResponseSchema } from '@tensorloop/nest-kit/access';
import { IfMatch } from '@tensorloop/nest-kit/if-match';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import { CurrentPrincipal, Permit, type Principal } from '../access/principal.types.js';
import { type MemberParams, memberParamsSchema } from './members.dto.js';
import { memberProblems } from './members.errors.js';
import { MembersService } from './members.service.js';

@Controller('api/members')
@Access('account')
export class MembersController {
  constructor(@Inject(MembersService) private readonly members: MembersService) {}

  @Get()
  @Permit('members:read')
  @Summary('List the members of the account with their roles')
  @ResponseSchema(memberPageSchema)
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: pageQuerySchema }) query: PageQuery) {
    return this.members.list(principal, query);
  }

  @Get(':userId')
  @Permit('members:read')
  @Summary('Show a member of the account')
  @Problems(memberProblems.member_not_found)
  @ResponseSchema(memberSchema)
  async get(
    @CurrentPrincipal() principal: Principal,
    @Param({ schema: memberParamsSchema }) { userId }: MemberParams,
  ): Promise<Member> {
    const member = await this.members.find(principal, userId);
    if (member === null) throw memberProblems.member_not_found();
    return member;
  }

  /** A person's alone: a role that a leaked token gave stays when the token is revoked. */
  @Patch(':userId')
  @Access('session')
  @Permit('members:write')
  @Summary('Give a member another role')
  @Problems(
    memberProblems.member_not_found,
    memberProblems.member_above_role,
    memberProblems.role_above_own,
    memberProblems.last_owner,
  )
  @ResponseSchema(memberSchema)
  async setRole(
    @CurrentPrincipal() principal: Principal,
    @Param({ schema: memberParamsSchema }) { userId }: MemberParams,
    @Body({ schema: memberPatchSchema }) { role }: MemberPatch,
    @IfMatch() seen: number | null,
  ): Promise<Member> {
    const result = await this.members.setRole(principal, userId, { role, seen });
    if (result.outcome === 'not_found') throw memberProblems.member_not_found();
    if (result.outcome === 'refused') throw memberProblems[result.code]();
    return result.member;
  }

  /** Everybody may leave, so the permission to remove others is asked of the service, once it knows who is meant. */
  @Delete(':userId')
  @HttpCode(HttpStatus.NO_CONTENT)
  @Permit('members:read')
  @Summary('Remove a member, or leave the account')
  @Problems(
    memberProblems.member_not_found,
    memberProblems.member_above_role,
    memberProblems.not_permitted,
    memberProblems.last_owner,
  )
  @RawResponse('no content')
  async remove(
    @CurrentPrincipal() principal: Principal,
    @Param({ schema: memberParamsSchema }) { userId }: MemberParams,
  ): Promise<void> {
    const result = await this.members.remove(principal, userId);
    if (result.outcome === 'not_found') throw memberProblems.member_not_found();
    if (result.outcome === 'refused') throw memberProblems[result.code]();
  }
}
