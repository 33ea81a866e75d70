import {
  type KeyDetail,
  type KeyMinted,
  type KeyMintOptions,
  type KeyPage,
  TAG_NAMES_OFFERED,
} from '@tensorloop/contracts/api/keys';
import { EXPIRY_DAYS_DEFAULT, EXPIRY_DAYS_MAX } from '@tensorloop/contracts/dashboard-api';
import { uuid7Schema } from '@tensorloop/contracts/identity';
import { TAGS_MAX } from '@tensorloop/contracts/tags';
import { DAY_MS, WINDOW_MS } from '@tensorloop/kernel/budget-window';
import { formatUsd } from '@tensorloop/kernel/money';
import { z } from 'zod';
import { CURSORS } from '../pages/cursor.types.js';
import { cutToPlan, type PlanCeilings } from '../plans/plans.types.js';
import type { KeyMoney, KeyUsage } from '../usage/key-usage.types.js';
import type { MintView } from './keys.repository.js';
import { ALL_MODELS, refuseAnotherKey, refuseInactiveAccount, refuseTooManyMints } from './keys.rules.js';
import type { KeyRefusal, StoredKey } from './keys.types.js';

export const keyParamsSchema = z.strictObject({ id: uuid7Schema });
export type KeyParams = z.infer<typeof keyParamsSchema>;

/** A key, and what it takes to show it. */
export interface ShownKey {
  key: StoredKey;
  plan: PlanCeilings;
  usage: KeyUsage;
  nowMs: number;
}

const UNKNOWN = {
  usageAvailable: false,
  ...{ spentUsd: null, spentNanoUsd: null, heldUsd: null, heldNanoUsd: null, leftUsd: null, leftNanoUsd: null },
};

function toSpending(money: KeyMoney | null) {
  if (money === null) return UNKNOWN;
  const { spentNanoUsd, heldNanoUsd, leftNanoUsd } = money;
  return {
    usageAvailable: true,
    ...{ spentUsd: formatUsd(spentNanoUsd), spentNanoUsd: spentNanoUsd.toString() },
    ...{ heldUsd: formatUsd(heldNanoUsd), heldNanoUsd: heldNanoUsd.toString() },
    ...{ leftUsd: formatUsd(leftNanoUsd), leftNanoUsd: leftNanoUsd.toString() },
  };
}

export function toKey({ key, plan, usage, nowMs }: ShownKey): KeyDetail {
  const inForce = cutToPlan(key, plan);
  return {
    id: key.id,
    version: key.version,
    name: key.name,
    preview: key.preview,
    models: key.models,
    budgetUsd: formatUsd(key.budgetNanoUsd),
    budgetNanoUsd: key.budgetNanoUsd.toString(),
    rpm: key.rpm,
    createdAt: instant(key.mintedAtMs),
    expiresAt: instant(key.expiresAtMs),
    revokedAt: key.revokedAtMs === null ? null : instant(key.revokedAtMs),
    status: key.revokedAtMs !== null ? 'revoked' : key.expiresAtMs <= nowMs ? 'expired' : 'active',
    inForce: {
      models: inForce.models,
      budgetUsd: formatUsd(inForce.budgetNanoUsd),
      budgetNanoUsd: inForce.budgetNanoUsd.toString(),
      rpm: inForce.rpm,
    },
    owner: key.owner,
    project: key.project,
    tags: key.tags,
    ...toSpending(usage.money),
    resetsAt: instant(usage.resetsAtMs),
    lastUsedAt: usage.lastUsedAtMs === null ? null : instant(usage.lastUsedAtMs),
    lastUsedKnown: usage.isLastUseKnown,
    dataThrough: usage.dataThroughMs === null ? null : instant(usage.dataThroughMs),
    budgetExhausted: usage.money?.isBudgetExhausted === true,
  };
}

/** `keyText` null: a repetition of the answer. */
export function toKeyMinted(shown: ShownKey, keyText: string | null): KeyMinted {
  return { ...toKey(shown), key: keyText };
}

export function toKeyPage(keys: KeyDetail[], hasMore: boolean): KeyPage {
  const last = keys.at(-1);
  return { data: keys, hasMore, nextCursor: hasMore && last !== undefined ? CURSORS.keys.write(last.id) : null };
}

/** `known`: ids of models that can be served. */
export function toMintOptions(view: MintView, known: ReadonlySet<string>, nowMs: number): KeyMintOptions {
  const { plan, activeKeys, minted, rpmPerAccountMax } = view;
  const refusal =
    refuseInactiveAccount(view.isActive) ?? refuseAnotherKey(activeKeys, plan) ?? refuseTooManyMints(minted, plan, nowMs);
  const budgetUsd = formatUsd(plan.budgetPerKeyNanoUsdMax);
  const allowed = plan.models.includes(ALL_MODELS) ? [...known] : plan.models.filter((model) => known.has(model));
  return {
    plan: { id: plan.id, name: plan.name },
    models: { allowed: allowed.sort(), default: plan.models },
    budget: {
      maxUsd: budgetUsd,
      maxNanoUsd: plan.budgetPerKeyNanoUsdMax.toString(),
      defaultUsd: budgetUsd,
      windowDays: WINDOW_MS / DAY_MS,
    },
    rpm: { max: plan.rpmPerKeyMax, default: plan.rpmPerKeyMax, accountMax: rpmPerAccountMax },
    expiry: { defaultDays: EXPIRY_DAYS_DEFAULT, maxDays: EXPIRY_DAYS_MAX },
    keys: { active: activeKeys, max: plan.keysMax, refusal: refusal === null ? null : codeOf(refusal) },
    projects: view.projects,
    owners: view.owners,
    tags: { offered: [...TAG_NAMES_OFFERED], max: TAGS_MAX },
  };
}

function codeOf({ code }: KeyRefusal): NonNullable<KeyMintOptions['keys']['refusal']> {
  return code === 'account_not_active' || code === 'too_many_mints' ? code : 'plan_key_limit_reached';
}

function instant(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
