import type { PlanChange, PlanOffer } from '@tensorloop/contracts/api/plans';
import { formatUsd, type NanoUsd } from '@tensorloop/kernel/money';
import { type CuttableTerms, cutToPlan, type PlanCeilings, toCeilings, toPlan } from './plans.types.js';

const ALL_MODELS = '*';

/** A plan whole (spec TL-2, TS-7). */
export interface PlanTerms extends PlanCeilings {
  feeNanoUsd: NanoUsd;
  rpmPerAccountMax: number | null;
  knowledgeBasesMax: number | null;
  storageBytesMax: bigint | null;
  isCustom: boolean;
  isOffered: boolean;
}

/** An active key, as a change of plan sees it. */
export interface PlannedKey extends CuttableTerms {
  id: string;
  name: string;
  preview: string;
}

/** Whether an account finds it in its list: what it may choose, what it can ask for, and what it has. */
export function isListed(plan: PlanTerms, currentPlanId: string): boolean {
  return plan.isOffered || plan.isCustom || plan.id === currentPlanId;
}

export function toOffer(plan: PlanTerms, currentPlanId: string): PlanOffer {
  const { feeNanoUsd, rpmPerAccountMax, knowledgeBasesMax, storageBytesMax, isCustom, isOffered } = plan;
  const isCurrent = plan.id === currentPlanId;
  return {
    ...toPlan(toCeilings(plan)),
    feeUsd: isCustom ? null : formatUsd(feeNanoUsd),
    feeNanoUsd: isCustom ? null : feeNanoUsd.toString(),
    rpmPerAccountMax,
    knowledgeBasesMax,
    storageBytesMax: storageBytesMax === null ? null : Number(storageBytesMax),
    isCustom,
    isCurrent,
    isSelectable: isOffered && !isCurrent,
  };
}

export type PlanRefusalCode = 'plan_unknown' | 'plan_by_agreement' | 'account_not_active';

/** Why an account cannot change to the plan by itself, or null. Plans that nobody is offered do not exist for it. */
export function refusePlan(target: PlanTerms | null, account: { planId: string; isActive: boolean }): PlanRefusalCode | null {
  if (target === null || !isListed(target, account.planId)) return 'plan_unknown';
  if (!account.isActive) return 'account_not_active';
  return target.isOffered || target.id === account.planId ? null : 'plan_by_agreement';
}

export interface PlanPair {
  from: PlanTerms;
  to: PlanTerms;
}

/** What a change of plan does to an account's active keys. `known` holds the ids of models that can be served. */
export function describeChange(
  { from, to }: PlanPair,
  keys: readonly PlannedKey[],
  known: ReadonlySet<string>,
): Omit<PlanChange, 'version'> {
  return {
    from: toOffer(from, from.id),
    to: toOffer(to, from.id),
    isReversible: from.isOffered,
    keysActive: keys.length,
    keysSurplus: Math.max(0, keys.length - to.keysMax),
    keys: keys.map((key) => describeKey(key, { from, to }, known)).filter(changesSomething),
  };
}

function describeKey(key: PlannedKey, { from, to }: PlanPair, known: ReadonlySet<string>): PlanChange['keys'][number] {
  const { id, name, preview } = key;
  const [before, after] = [cutToPlan(key, from), cutToPlan(key, to)];
  return {
    id,
    name,
    preview,
    rpm: { from: before.rpm, to: after.rpm },
    budgetUsd: { from: formatUsd(before.budgetNanoUsd), to: formatUsd(after.budgetNanoUsd) },
    models: { from: before.models, to: after.models },
    modelsRemoved: removedModels(before.models, after.models, known),
    hasNoModelLeft: after.models.length === 0,
  };
}

function removedModels(before: readonly string[], after: readonly string[], known: ReadonlySet<string>): string[] {
  if (after.includes(ALL_MODELS)) return [];
  const callable = before.includes(ALL_MODELS) ? [...known].sort() : before;
  return callable.filter((model) => !after.includes(model));
}

function changesSomething({ rpm, budgetUsd, models }: PlanChange['keys'][number]): boolean {
  return rpm.from !== rpm.to || budgetUsd.from !== budgetUsd.to || models.from.join('\n') !== models.to.join('\n');
}
