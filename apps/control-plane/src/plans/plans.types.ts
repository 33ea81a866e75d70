import type { Plan } from '@tensorloop/contracts/dashboard-api';
import { formatUsd, type NanoUsd } from '@tensorloop/kernel/money';

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

/** Drops what a plan's row has beyond the ceilings. */
export function toCeilings(row: PlanCeilings): PlanCeilings {
  const { id, name, keysMax, budgetPerKeyNanoUsdMax, rpmPerKeyMax, models } = row;
  return { id, name, keysMax, budgetPerKeyNanoUsdMax, rpmPerKeyMax, models };
}

export function toPlan(ceilings: PlanCeilings): Plan {
  const { budgetPerKeyNanoUsdMax, ...rest } = ceilings;
  return { ...rest, budgetPerKeyUsdMax: formatUsd(budgetPerKeyNanoUsdMax) };
}
