import { Controller, Get, Inject } from '@nestjs/common';
import { type Me, meSchema } from '@tensorloop/contracts/dashboard-api';
import { Access, ResponseSchema } from '@tensorloop/nest-kit/access';
import { CurrentPrincipal, type Principal } from '../access/principal.types.js';
import { AccountsService } from './accounts.service.js';

@Controller('api/me')
@Access('session')
export class AccountsController {
  constructor(@Inject(AccountsService) private readonly accounts: AccountsService) {}

  @Get()
  @ResponseSchema(meSchema)
  get(@CurrentPrincipal() { accountId, userId }: Principal): Promise<Me> {
    return this.accounts.getMe(accountId, userId);
  }
}
