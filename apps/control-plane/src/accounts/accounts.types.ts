import type { AccountStatus } from '@tensorloop/contracts/api/accounts';
import type { Role } from '@tensorloop/contracts/dashboard-api';
import type { PlanCeilings } from '../plans/plans.types.js';

/** An account's row, as far as people may see it. */
export interface StoredAccount {
  id: string;
  tag: string;
  name: string;
  planId: string;
  kind: string;
  createdAt: Date;
  deleteAfter: Date | null;
  disabledAt: Date | null;
  /** Grows by one with every change: what If-Match compares. */
  version: number;
}

export interface AccountOfUser extends StoredAccount {
  role: Role;
}

/** Somebody in an account, as they see themselves. */
export interface Self {
  user: {
    id: string;
    email: string;
    name: string;
    /** The address was proven to be the user's. */
    isVerified: boolean;
    hasPassword: boolean;
    hasGoogle: boolean;
    isOperator: boolean;
  };
  account: StoredAccount;
  role: Role;
  plan: PlanCeilings;
}

/** The plan of a fresh account. */
export const FIRST_PLAN_ID = 'free';

/** A disabled account stays so whatever its members do. */
export function statusOf({ disabledAt, deleteAfter }: Pick<StoredAccount, 'disabledAt' | 'deleteAfter'>): AccountStatus {
  if (disabledAt !== null) return 'disabled';
  return deleteAfter === null ? 'active' : 'deleting';
}
