import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Inject, Param, Post, Query } from '@nestjs/common';
import {
  type TokenCreate,
  type TokenCreated,
  type TokenListQuery,
  tokenCreatedSchema,
  tokenCreateSchema,
  tokenListQuerySchema,
  tokenPageSchema,
} from '@tensorloop/contracts/api/tokens';
import { Access, RawResponse, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Idempotent } from '@tensorloop/nest-kit/idempotent';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import { CurrentPrincipal, Permit, type Principal } from '../access/principal.types.js';
import { type TokenParams, tokenParamsSchema } from './tokens.dto.js';
import { tokenProblems } from './tokens.errors.js';
import { TokensService } from './tokens.service.js';

@Controller('api/tokens')
export class TokensController {
  constructor(@Inject(TokensService) private readonly tokens: TokensService) {}

  /** A person's alone: a token that leaked could otherwise outlive its revocation in the tokens that it made. */
  @Post()
  @Access('session')
  @Permit('tokens:write')
  @Idempotent()
  @Summary('Create a management token; its text is shown this once')
  @Problems(tokenProblems.token_role_above_own, tokenProblems.token_limit_reached, tokenProblems.account_not_active)
  @ResponseSchema(tokenCreatedSchema)
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: tokenCreateSchema }) token: TokenCreate,
  ): Promise<TokenCreated> {
    const result = await this.tokens.create(principal, token);
    if (result.outcome === 'created') return result.token;
    const errors = [{ pointer: '/role', message: `your role is ${principal.role}` }];
    throw tokenProblems[result.code](result.code === 'token_role_above_own' ? { errors } : {});
  }

  @Get()
  @Access('account')
  @Permit('tokens:read')
  @Summary('List the management tokens of the account')
  @ResponseSchema(tokenPageSchema)
  list(@CurrentPrincipal() { accountId }: Principal, @Query({ schema: tokenListQuerySchema }) query: TokenListQuery) {
    return this.tokens.list(accountId, query);
  }

  @Delete(':id')
  @HttpCode(HttpStatus.NO_CONTENT)
  @Access('account')
  @Permit('tokens:write')
  @Summary('Revoke a management token: it opens nothing from now on')
  @Problems(tokenProblems.token_not_found, tokenProblems.token_above_role)
  @RawResponse('no content')
  async revoke(
    @CurrentPrincipal() principal: Principal,
    @Param({ schema: tokenParamsSchema }) { id }: TokenParams,
  ): Promise<void> {
    const result = await this.tokens.revoke(principal, id);
    if (result === null) throw tokenProblems.token_not_found();
    if (result === 'above_role') throw tokenProblems.token_above_role();
  }
}
