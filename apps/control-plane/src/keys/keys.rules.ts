import { createHmac } from 'node:crypto';
import { EXPIRY_DAYS_DEFAULT, type KeyCreate } from '@tensorloop/contracts/dashboard-api';
import { formatUsd, type NanoUsd, parseUsd } from '@tensorloop/kernel/money';
import type { PlanCeilings } from '../plans/plans.types.js';
import type { KeyTerms, MintRefusal } from './keys.types.js';

const DAY_MS = 86_400_000;
const PREVIEW_HEAD_LENGTH = 11;
const PREVIEW_TAIL_LENGTH = 4;
export const ALL_MODELS = '*';

/** What is stored of a key: nobody without the pepper can tell from the database whether a text is a key. */
export function hashKeyText(keyText: string, pepper: string): string {
  return createHmac('sha256', pepper).update(keyText).digest('hex');
}

/** "tl_" and the account tag, then the last four characters: 232 of the secret's 256 bits stay unknown. */
export function previewOf(keyText: string): string {
  return `${keyText.slice(0, PREVIEW_HEAD_LENGTH)}…${keyText.slice(-PREVIEW_TAIL_LENGTH)}`;
}

export type TermsResult = { ok: true; terms: KeyTerms } | { ok: false; refusal: MintRefusal };

/**
 * What a key will be allowed, within the ceilings of the account's plan (spec TL-2, TL-3). What the request leaves out
 * takes the plan's ceiling. `known` holds the ids of models that can be served.
 */
export function mintTerms(
  request: KeyCreate,
  plan: PlanCeilings,
  context: { known: ReadonlySet<string>; nowMs: number },
): TermsResult {
  const models = request.models === undefined ? plan.models : [...new Set(request.models)];
  const budgetNanoUsd = request.budgetUsd === undefined ? plan.budgetPerKeyNanoUsdMax : parseUsd(request.budgetUsd);
  const rpm = request.rpm ?? plan.rpmPerKeyMax;
  const refusal =
    refuseModels(request.models ?? [], plan, context.known) ?? refuseBudget(budgetNanoUsd, plan) ?? refuseRpm(rpm, plan);
  if (refusal !== null) return { ok: false, refusal };
  const expiresInDays = request.expiresInDays ?? EXPIRY_DAYS_DEFAULT;
  return {
    ok: true,
    terms: { models, budgetNanoUsd, rpm, mintedAtMs: context.nowMs, expiresAtMs: context.nowMs + expiresInDays * DAY_MS },
  };
}

function refuseModels(wanted: readonly string[], plan: PlanCeilings, known: ReadonlySet<string>): MintRefusal | null {
  const unknown = wanted.filter((model) => !known.has(model));
  if (unknown.length > 0) {
    return {
      code: 'unknown_model',
      pointer: '/models',
      detail: `There is no model ${unknown.join(', ')}. Model ids are case- and dash-sensitive.`,
    };
  }
  if (plan.models.includes(ALL_MODELS)) return null;
  const outside = wanted.filter((model) => !plan.models.includes(model));
  if (outside.length === 0) return null;
  const detail = `The ${plan.name} plan does not include ${outside.join(', ')}. It includes: ${plan.models.join(', ')}.`;
  return { code: 'model_not_in_plan', pointer: '/models', detail };
}

function refuseBudget(budget: NanoUsd, plan: PlanCeilings): MintRefusal | null {
  if (budget === 0n)
    return { code: 'budget_zero', pointer: '/budgetUsd', detail: 'A key with a budget of 0 could make no call.' };
  if (budget <= plan.budgetPerKeyNanoUsdMax) return null;
  const detail = `The ${plan.name} plan allows a budget of at most ${formatUsd(plan.budgetPerKeyNanoUsdMax)} USD per key.`;
  return { code: 'budget_above_plan', pointer: '/budgetUsd', detail };
}

function refuseRpm(rpm: number, plan: PlanCeilings): MintRefusal | null {
  if (rpm <= plan.rpmPerKeyMax) return null;
  const detail = `The ${plan.name} plan allows at most ${plan.rpmPerKeyMax} requests per minute and key.`;
  return { code: 'rpm_above_plan', pointer: '/rpm', detail };
}

export function refuseAnotherKey(activeKeys: number, plan: PlanCeilings): MintRefusal | null {
  if (activeKeys < plan.keysMax) return null;
  const detail = `The ${plan.name} plan allows ${plan.keysMax} active keys. Revoke one before minting another.`;
  return { code: 'plan_key_limit_reached', detail };
}
