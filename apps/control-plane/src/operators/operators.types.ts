import type { OperatorAccountListQuery } from '@tensorloop/contracts/api/operator';
import type { AuditAction, AuditActor } from '../audit/audit.types.js';
import type { PlanCeilings } from '../plans/plans.types.js';

export type ListFilter = Pick<OperatorAccountListQuery, 'search' | 'planId' | 'status'>;

export interface AccountRow {
  id: string;
  name: string;
  disabledAt: Date | null;
  deleteAfter: Date | null;
  createdAt: Date;
  plan: PlanCeilings;
  members: number;
  keysActive: number;
}

export interface DetailRow extends AccountRow {
  kind: string;
  dailyLimitNanoUsd: bigint | null;
  version: number;
  memberships: { role: string; createdAt: Date; user: { id: string; email: string; emailVerifiedAt: Date | null } }[];
  keys: {
    id: string;
    name: string;
    preview: string;
    models: string[];
    budgetNanoUsd: bigint;
    rpm: number;
    mintedAt: Date;
    expiresAt: Date;
    revokedAt: Date | null;
  }[];
}

/** A plan whole. */
export interface PlanRow extends PlanCeilings {
  feeNanoUsd: bigint;
  rpmPerAccountMax: number | null;
  knowledgeBasesMax: number | null;
  storageBytesMax: bigint | null;
  isCustom: boolean;
  isOffered: boolean;
  accounts: number;
}

export interface AccountState {
  planId: string;
  disabledAt: Date | null;
  deleteAfter: Date | null;
  version: number;
}

/** What an operator does to an account, decided from how it is while its row is locked. */
export interface ChangeOrder {
  now: Date;
  actor: AuditActor;
  /** The session that asks for it. */
  sessionId: string;
  /** The version of the account that the operator saw (`IfMatch`). */
  seenVersion: number | null;
  /** For the account's owner to read. */
  reason: string;
  decide(before: AccountState): Change;
}

export interface Change {
  data: { planId?: string; disabledAt?: Date | null };
  action: AuditAction;
  details: Record<string, unknown>;
}

export interface InstallationRow {
  accounts: number;
  accountsDisabled: number;
  users: number;
  keysActive: number;
  operators: number;
  waiting: number;
  oldestSince: Date | null;
}
