import { Inject, Injectable } from '@nestjs/common';
import type { Me } from '@tensorloop/contracts/dashboard-api';
import { toPlan } from '../plans/plans.types.js';
import { AccountsRepository } from './accounts.repository.js';

@Injectable()
export class AccountsService {
  constructor(@Inject(AccountsRepository) private readonly repository: AccountsRepository) {}

  async getMe(accountId: string, userId: string): Promise<Me> {
    const member = await this.repository.getMember(accountId, userId);
    return {
      user: { id: member.userId, email: member.email },
      account: { id: member.accountId, name: member.accountName, role: member.role, plan: toPlan(member.plan) },
    };
  }
}
