import type { Tags } from '@tensorloop/contracts/tags';
import type { NanoUsd } from '@tensorloop/kernel/money';
import type { RateLimitPolicy } from '@tensorloop/nest-kit/rate-limit';

/** What a key is allowed. Models and expiry are fixed at mint (spec TL-3). */
export interface KeyTerms {
  models: string[];
  budgetNanoUsd: NanoUsd;
  rpm: number;
  mintedAtMs: number;
  expiresAtMs: number;
}

export interface KeyOwner {
  userId: string;
  /** Null: no member any more. */
  email: string | null;
}

export interface StoredKey extends KeyTerms {
  id: string;
  name: string;
  preview: string;
  revokedAtMs: number | null;
  owner: KeyOwner | null;
  project: { id: string; name: string } | null;
  tags: Tags;
  /** Grows by one with every change. */
  version: number;
}

export interface NewKey extends KeyTerms {
  id: string;
  name: string;
  preview: string;
  keyHash: string;
  /** Which pepper the hash was made with. */
  hashVersion: number;
  createdBy: string;
  ownerUserId: string | null;
  projectId: string | null;
  tags: Tags;
}

/** What of a key changes; what is left out stays. */
export interface KeyChange {
  name?: string;
  budgetNanoUsd?: NanoUsd;
  rpm?: number;
  tags?: Tags;
  ownerUserId?: string | null;
  projectId?: string | null;
}

/** A project, as far as a key may be put into it. */
export interface KeyProject {
  id: string;
  isArchived: boolean;
}

export interface KeyFilter {
  includesInactive: boolean;
  nowMs: number;
  projectId: string | null;
  tag: { name: string; value: string } | null;
  /** The last id of the page before. */
  before: string | null;
  limit: number;
}

export interface KeyRefusal {
  code:
    | 'unknown_model'
    | 'model_not_in_plan'
    | 'budget_zero'
    | 'budget_above_plan'
    | 'rpm_above_plan'
    | 'plan_key_limit_reached'
    | 'too_many_mints'
    | 'account_not_active'
    | 'unknown_project'
    | 'project_archived'
    | 'owner_not_member'
    | 'fixed_at_mint'
    | 'key_not_active';
  detail: string;
  /** JSON pointer into the request, where one field is to blame. */
  pointer?: string;
  /** Of a limit in time: which one, and how long until it lets one more pass. */
  exhausted?: { policy: RateLimitPolicy; waitMs: number };
}
