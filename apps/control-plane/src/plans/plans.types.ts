import type { Plan } from '@tensorloop/contracts/dashboard-api';
import { formatUsd, type NanoUsd } from '@tensorloop/kernel/money';

/** "*" alone = every model of the catalogue. */
const ALL_MODELS = '*';

/** Ceilings for minting (spec TL-2). */
export interface PlanCeilings {
  id: string;
  name: string;
  keysMax: number;
  budgetPerKeyNanoUsdMax: NanoUsd;
  rpmPerKeyMax: number;
  /** "*" alone = every model of the catalogue. */
  models: string[];
}

/** What of a key's own terms a plan cuts. */
export interface CuttableTerms {
  models: readonly string[];
  budgetNanoUsd: NanoUsd;
  rpm: number;
}

export interface CutTerms {
  /** Empty when nothing is left of the allowlist. */
  models: string[];
  budgetNanoUsd: NanoUsd;
  rpm: number;
}

/** Drops what a plan's row has beyond the ceilings. */
export function toCeilings(row: PlanCeilings): PlanCeilings {
  const { id, name, keysMax, budgetPerKeyNanoUsdMax, rpmPerKeyMax, models } = row;
  return { id, name, keysMax, budgetPerKeyNanoUsdMax, rpmPerKeyMax, models };
}

export function toPlan(ceilings: PlanCeilings): Plan {
  const { budgetPerKeyNanoUsdMax, ...rest } = ceilings;
  return { ...rest, budgetPerKeyUsdMax: formatUsd(budgetPerKeyNanoUsdMax) };
}

/**
 * What is in force of a key: its own terms within the plan that the account has now. The key keeps its terms, so that a
 * larger plan gives back what a smaller one cut.
 */
export function cutToPlan(
  key: CuttableTerms,
  plan: Pick<PlanCeilings, 'models' | 'budgetPerKeyNanoUsdMax' | 'rpmPerKeyMax'>,
): CutTerms {
  return {
    models: intersectModels(key.models, plan.models),
    budgetNanoUsd: key.budgetNanoUsd < plan.budgetPerKeyNanoUsdMax ? key.budgetNanoUsd : plan.budgetPerKeyNanoUsdMax,
    rpm: Math.min(key.rpm, plan.rpmPerKeyMax),
  };
}

/** What a key may call: its own allowlist, cut to what the plan includes now. Empty when nothing is left. */
export function intersectModels(keyModels: readonly string[], planModels: readonly string[]): string[] {
  if (planModels.includes(ALL_MODELS)) return [...keyModels];
  if (keyModels.includes(ALL_MODELS)) return [...planModels];
  return keyModels.filter((model) => planModels.includes(model));
}
