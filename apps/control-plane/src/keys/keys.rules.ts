import { createHmac } from 'node:crypto';
import type { KeyPatch } from '@tensorloop/contracts/api/keys';
import { EXPIRY_DAYS_DEFAULT, type KeyCreate } from '@tensorloop/contracts/dashboard-api';
import { formatUsd, type NanoUsd, parseUsd } from '@tensorloop/kernel/money';
import type { PlanCeilings } from '../plans/plans.types.js';
import type { KeyChange, KeyProject, KeyRefusal, KeyTerms } from './keys.types.js';

const DAY_MS = 86_400_000;
const PREVIEW_HEAD_LENGTH = 11;
const PREVIEW_TAIL_LENGTH = 4;
export const ALL_MODELS = '*';
export const MINT_HOUR_MS = 60 * 60 * 1000;
/** Keys that an account may mint within an hour beyond those that its plan allows at once: bounds minting and revoking in turns. */
export const MINTS_PER_HOUR_BEYOND_PLAN = 60;

/** What is stored of a key: nobody without the pepper can tell from the database whether a text is a key. */
export function hashKeyText(keyText: string, pepper: string): string {
  return createHmac('sha256', pepper).update(keyText).digest('hex');
}

/** "tl_" and the account tag, then the last four characters: 232 of the secret's 256 bits stay unknown. */
export function previewOf(keyText: string): string {
  return `${keyText.slice(0, PREVIEW_HEAD_LENGTH)}…${keyText.slice(-PREVIEW_TAIL_LENGTH)}`;
}

export type TermsResult = { ok: true; terms: KeyTerms } | { ok: false; refusal: KeyRefusal };

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

function refuseModels(wanted: readonly string[], plan: PlanCeilings, known: ReadonlySet<string>): KeyRefusal | null {
  const unknown = wanted.filter((model) => model !== ALL_MODELS && !known.has(model));
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
  const missing = outside.includes(ALL_MODELS) ? 'every model' : outside.join(', ');
  const detail = `The ${plan.name} plan does not include ${missing}. It includes: ${plan.models.join(', ')}.`;
  return { code: 'model_not_in_plan', pointer: '/models', detail };
}

function refuseBudget(budget: NanoUsd, plan: PlanCeilings): KeyRefusal | null {
  if (budget === 0n)
    return { code: 'budget_zero', pointer: '/budgetUsd', detail: 'A key with a budget of 0 could make no call.' };
  if (budget <= plan.budgetPerKeyNanoUsdMax) return null;
  const detail = `The ${plan.name} plan allows a budget of at most ${formatUsd(plan.budgetPerKeyNanoUsdMax)} USD per key.`;
  return { code: 'budget_above_plan', pointer: '/budgetUsd', detail };
}

function refuseRpm(rpm: number, plan: PlanCeilings): KeyRefusal | null {
  if (rpm <= plan.rpmPerKeyMax) return null;
  const detail = `The ${plan.name} plan allows at most ${plan.rpmPerKeyMax} requests per minute and key.`;
  return { code: 'rpm_above_plan', pointer: '/rpm', detail };
}

export function refuseAnotherKey(activeKeys: number, plan: PlanCeilings): KeyRefusal | null {
  if (activeKeys < plan.keysMax) return null;
  const detail = `The ${plan.name} plan allows ${plan.keysMax} active keys. Revoke one before minting another.`;
  return { code: 'plan_key_limit_reached', detail };
}

/** `minted`: keys of the last hour, revoked ones too, and when the oldest of them was minted. */
export function refuseTooManyMints(
  minted: { count: number; oldestMs: number | null },
  plan: PlanCeilings,
  nowMs: number,
): KeyRefusal | null {
  const countMax = plan.keysMax + MINTS_PER_HOUR_BEYOND_PLAN;
  if (minted.count < countMax) return null;
  const waitMs = Math.max(0, (minted.oldestMs ?? nowMs) + MINT_HOUR_MS - nowMs);
  const detail = `This account may mint ${countMax} keys within an hour, revoked ones included.`;
  const policy = { name: 'mints-by-account', quota: countMax, windowMs: MINT_HOUR_MS };
  return { code: 'too_many_mints', detail, exhausted: { policy, waitMs } };
}

/** A project of another account is as unknown as one that does not exist. */
export function refuseProject(project: KeyProject | null): KeyRefusal | null {
  const pointer = '/projectId';
  if (project === null) return { code: 'unknown_project', pointer, detail: 'There is no such project in this account.' };
  return project.isArchived
    ? { code: 'project_archived', pointer, detail: 'The project is archived; bring it back before putting keys into it.' }
    : null;
}

export function refuseOwner(isMember: boolean): KeyRefusal | null {
  if (isMember) return null;
  const detail = 'There is no such member in this account; a key is owned by one of its members.';
  return { code: 'owner_not_member', pointer: '/ownerUserId', detail };
}

/** Fields of a request to change a key that nothing can change (spec TL-3). */
const FIXED = ['models', 'expiresAt', 'expiresInDays'] as const;

export type ChangeResult = { ok: true; change: KeyChange } | { ok: false; refusal: KeyRefusal };

/** What a request changes, within the ceilings of the plan. A term that it leaves alone may be above them, and stays. */
export function keyChange(request: KeyPatch, plan: PlanCeilings): ChangeResult {
  const fixed = FIXED.find((field) => request[field] !== undefined);
  if (fixed !== undefined) {
    const what = fixed === 'models' ? 'The models that a key may call are' : 'The expiry of a key is';
    const detail = `${what} fixed when it is minted. Mint another key with what you need, and revoke this one.`;
    return { ok: false, refusal: { code: 'fixed_at_mint', pointer: `/${fixed}`, detail } };
  }
  const { name, budgetUsd, rpm, tags, ownerUserId, projectId } = request;
  const budgetNanoUsd = budgetUsd === undefined ? undefined : parseUsd(budgetUsd);
  const refusal =
    (budgetNanoUsd === undefined ? null : refuseBudget(budgetNanoUsd, plan)) ??
    (rpm === undefined ? null : refuseRpm(rpm, plan));
  if (refusal !== null) return { ok: false, refusal };
  return {
    ok: true,
    change: {
      ...(name === undefined ? {} : { name }),
      ...(budgetNanoUsd === undefined ? {} : { budgetNanoUsd }),
      ...(rpm === undefined ? {} : { rpm }),
      ...(tags === undefined ? {} : { tags }),
      ...(ownerUserId === undefined ? {} : { ownerUserId }),
      ...(projectId === undefined ? {} : { projectId }),
    },
  };
}

export function refuseInactiveAccount(isActive: boolean): KeyRefusal | null {
  if (isActive) return null;
  return { code: 'account_not_active', detail: 'The account is disabled or about to be deleted and mints no keys.' };
}

/** What has ended stays as it was: its calls are booked under what it said. */
export function refuseInactive(key: { revokedAtMs: number | null; expiresAtMs: number }, nowMs: number): KeyRefusal | null {
  if (key.revokedAtMs === null && key.expiresAtMs > nowMs) return null;
  const why = key.revokedAtMs === null ? 'has expired' : 'is revoked';
  return { code: 'key_not_active', detail: `The key ${why} and cannot be changed any more.` };
}
