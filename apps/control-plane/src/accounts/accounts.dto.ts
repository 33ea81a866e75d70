import type { Account, AccountMembership } from '@tensorloop/contracts/api/accounts';
import type { Me } from '@tensorloop/contracts/dashboard-api';
import { uuid7Schema } from '@tensorloop/contracts/identity';
import { z } from 'zod';
import { permissionsOf } from '../access/permission.types.js';
import { toPlan } from '../plans/plans.types.js';
import { type AccountOfUser, type Self, type StoredAccount, statusOf } from './accounts.types.js';

export const accountParamsSchema = z.strictObject({ id: uuid7Schema });
export type AccountParams = z.infer<typeof accountParamsSchema>;

export function toAccount(account: StoredAccount): Account {
  const { id, name, planId, createdAt, deleteAfter, version } = account;
  return {
    id,
    name,
    planId,
    kind: account.kind === 'prepaid' ? 'prepaid' : 'metered',
    status: statusOf(account),
    createdAt: createdAt.toISOString(),
    deleteAfter: deleteAfter?.toISOString() ?? null,
    version,
  };
}

export function toMe({ user, account, role, plan }: Self): Me {
  const { id, name, kind, status, deleteAfter } = toAccount(account);
  return {
    user: {
      id: user.id,
      email: user.email,
      name: user.name,
      emailVerified: user.isVerified,
      hasPassword: user.hasPassword,
      hasGoogle: user.hasGoogle,
    },
    account: { id, name, role, kind, status, deleteAfter, plan: toPlan(plan) },
    permissions: permissionsOf(role),
    isOperator: user.isOperator,
  };
}

export function toMembership(account: AccountOfUser, currentAccountId: string): AccountMembership {
  const { version: _, ...shown } = toAccount(account);
  return { ...shown, role: account.role, isCurrent: account.id === currentAccountId };
}
