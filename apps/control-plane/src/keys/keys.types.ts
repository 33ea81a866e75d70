import type { NanoUsd } from '@tensorloop/kernel/money';

/** What a key is allowed; fixed at mint. */
export interface KeyTerms {
  models: string[];
  budgetNanoUsd: NanoUsd;
  rpm: number;
  mintedAtMs: number;
  expiresAtMs: number;
}

export interface StoredKey extends KeyTerms {
  id: string;
  name: string;
  preview: string;
  revokedAtMs: number | null;
  /** Grows by one with every change. */
  version: number;
}

export interface NewKey extends KeyTerms {
  id: string;
  name: string;
  preview: string;
  keyHash: string;
  createdBy: string;
}

export interface MintRefusal {
  code:
    | 'unknown_model'
    | 'model_not_in_plan'
    | 'budget_zero'
    | 'budget_above_plan'
    | 'rpm_above_plan'
    | 'plan_key_limit_reached';
  detail: string;
  /** JSON pointer into the request, where one field is to blame. */
  pointer?: string;
}
