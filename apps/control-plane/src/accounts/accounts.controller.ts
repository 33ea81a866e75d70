import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Inject, Patch, Post, Query } from '@nestjs/common';
import {
  type Account,
  type AccountWrite,
  accountPageSchema,
  accountSchema,
  accountWriteSchema,
} from '@tensorloop/contracts/api/accounts';
import { type PageQuery, pageQuerySchema } from '@tensorloop/contracts/api/pages';
import { type Me, type MePatch, mePatchSchema, meSchema } from '@tensorloop/contracts/dashboard-api';
import { Access, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Idempotent } from '@tensorloop/nest-kit/idempotent';
import { IfMatch } from '@tensorloop/nest-kit/if-match';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import { CurrentPrincipal, Permit, type Principal } from '../access/principal.types.js';
import { accountProblems } from './accounts.errors.js';
import { AccountsService } from './accounts.service.js';

const RETRY_HEADERS = { 'retry-after': '2' };

@Controller('api')
export class AccountsController {
  constructor(@Inject(AccountsService) private readonly accounts: AccountsService) {}

  @Get('me')
  @Access('session')
  @Summary('Who is signed in, for which account and plan, and what the role allows')
  @ResponseSchema(meSchema)
  me(@CurrentPrincipal() { accountId, userId }: Principal): Promise<Me> {
    return this.accounts.getMe(accountId, userId);
  }

  @Patch('me')
  @Access('session')
  @Summary('Say what you want to be called; members of your accounts see it')
  @ResponseSchema(meSchema)
  setOwnName(@CurrentPrincipal() principal: Principal, @Body({ schema: mePatchSchema }) { name }: MePatch): Promise<Me> {
    return this.accounts.setOwnName(principal, name);
  }

  @Get('accounts')
  @Access('session')
  @Summary('List the accounts that you belong to, with your role in each')
  @ResponseSchema(accountPageSchema)
  list(@CurrentPrincipal() { accountId, userId }: Principal, @Query({ schema: pageQuerySchema }) query: PageQuery) {
    return this.accounts.list(userId, accountId, query);
  }

  @Post('accounts')
  @Access('session')
  @Summary('Create another account, which you own')
  @Idempotent()
  @Problems(accountProblems.accounts_owned_limit_reached, accountProblems.accounts_limit_reached)
  @ResponseSchema(accountSchema)
  async create(
    @CurrentPrincipal() { userId }: Principal,
    @Body({ schema: accountWriteSchema }) { name }: AccountWrite,
  ): Promise<Account> {
    const result = await this.accounts.create(userId, name);
    if (result.outcome === 'refused') throw accountProblems[result.code]();
    return result.account;
  }

  @Get('account')
  @Access('account')
  @Permit('account:read')
  @Summary('The account that the session or the token acts for')
  @ResponseSchema(accountSchema)
  get(@CurrentPrincipal() { accountId }: Principal): Promise<Account> {
    return this.accounts.get(accountId);
  }

  @Patch('account')
  @Access('account')
  @Permit('account:write')
  @Summary('Rename the account')
  @ResponseSchema(accountSchema)
  rename(
    @CurrentPrincipal() { accountId }: Principal,
    @Body({ schema: accountWriteSchema }) { name }: AccountWrite,
    @IfMatch() seen: number | null,
  ): Promise<Account> {
    return this.accounts.rename(accountId, name, seen);
  }

  /** A person's to ask for: a script cannot delete the account that it belongs to. */
  @Delete('account')
  @HttpCode(HttpStatus.OK)
  @Access('session')
  @Permit('account:delete')
  @Summary('Delete the account: its keys stop at once, everything is erased after a grace')
  @Problems(accountProblems.deletion_not_in_force_yet)
  @ResponseSchema(accountSchema)
  async requestDeletion(@CurrentPrincipal() { accountId }: Principal): Promise<Account> {
    const { account, isInForce } = await this.accounts.requestDeletion(accountId);
    if (!isInForce) throw accountProblems.deletion_not_in_force_yet({ headers: RETRY_HEADERS });
    return account;
  }

  @Post('account/restore')
  @HttpCode(HttpStatus.OK)
  @Access('session')
  @Permit('account:delete')
  @Summary('Take the deletion of the account back: its keys work again')
  @Problems(accountProblems.restoration_not_in_force_yet)
  @ResponseSchema(accountSchema)
  async restore(@CurrentPrincipal() { accountId }: Principal): Promise<Account> {
    const { account, isInForce } = await this.accounts.restore(accountId);
    if (!isInForce) throw accountProblems.restoration_not_in_force_yet({ headers: RETRY_HEADERS });
    return account;
  }
}
