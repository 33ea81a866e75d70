import type { NanoUsd } from '@tensorloop/kernel/money';

export interface StoredProject {
  id: string;
  name: string;
  /** Per 30 days counted from `createdAtMs`; null = no cap. */
  budgetNanoUsd: NanoUsd | null;
  createdAtMs: number;
  archivedAtMs: number | null;
  version: number;
  activeKeys: number;
}

/** What of a project changes; what is left out stays. */
export interface ProjectChange {
  name?: string;
  budgetNanoUsd?: NanoUsd | null;
  archivedAtMs?: number | null;
}

export interface ProjectRefusal {
  code: 'project_limit_reached' | 'project_name_taken' | 'project_has_active_keys' | 'budget_too_large';
  detail: string;
  pointer?: string;
}
