import { Inject, Injectable } from '@nestjs/common';
import { type Role, roleSchema } from '@tensorloop/contracts/dashboard-api';
import { ControlClient } from '@tensorloop/db/control-client';
import { type PlanCeilings, toCeilings } from '../plans/plans.types.js';

export interface Member {
  userId: string;
  email: string;
  accountId: string;
  accountName: string;
  role: Role;
  plan: PlanCeilings;
}

@Injectable()
export class AccountsRepository {
  constructor(@Inject(ControlClient) private readonly control: ControlClient) {}

  async getMember(accountId: string, userId: string): Promise<Member> {
    const membership = await this.control.withAccount(accountId, (tx) =>
      tx.membership.findUniqueOrThrow({
        where: { accountId_userId: { accountId, userId } },
        include: { user: { select: { email: true } }, account: { include: { plan: true } } },
      }),
    );
    const { user, account } = membership;
    const role = roleSchema.parse(membership.role);
    return { userId, email: user.email, accountId, accountName: account.name, role, plan: toCeilings(account.plan) };
  }
}
