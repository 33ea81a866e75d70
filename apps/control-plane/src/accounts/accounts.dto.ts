import type { Account, AccountMembership } from '@tensorloop/contracts/api/accounts';
import { uuid7Schema } from '@tensorloop/contracts/identity';
import { z } from 'zod';
import { type AccountOfUser, type StoredAccount, statusOf } from './accounts.types.js';

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

export function toMembership(account: AccountOfUser, currentAccountId: string): AccountMembership {
  const { version: _, ...shown } = toAccount(account);
  return { ...shown, role: account.role, isCurrent: account.id === currentAccountId };
}
