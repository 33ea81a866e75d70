import { describe, expect, it } from '@jest/globals';
import { newKeyText } from '@tensorloop/kernel/key-text';
import type { PlanCeilings } from '../plans/plans.types.js';
import {
  hashKeyText,
  keyChange,
  MINT_HOUR_MS,
  MINTS_PER_HOUR_BEYOND_PLAN,
  mintTerms,
  previewOf,
  refuseAnotherKey,
  refuseInactive,
  refuseTooManyMints,
} from './keys.rules.js';

const DAY_MS = 86_400_000;
const NOW_MS = Date.parse('2026-11-21T12:34:56.789Z');
const known = new Set(['gpt-4o-mini', 'gpt-4o', 'llama-3.3-70b']);
const free: PlanCeilings = {
  id: 'free',
  name: 'Free',
  keysMax: 2,
  budgetPerKeyNanoUsdMax: 5_000_000_000n,
  rpmPerKeyMax: 30,
  models: ['gpt-4o-mini'],
};
const pro: PlanCeilings = {
  id: 'pro',
  name: 'Pro',
  keysMax: 10,
  budgetPerKeyNanoUsdMax: 100_000_000_000n,
  rpmPerKeyMax: 300,
  models: ['*'],
};

function mint(plan: PlanCeilings, request: Partial<Parameters<typeof mintTerms>[0]>) {
  const result = mintTerms({ name: 'k', ...request }, plan, { known, nowMs: NOW_MS });
  return result.ok ? result.terms : result.refusal.code;
}

describe('terms of a key (TL-2, TL-3)', () => {
  it("are the plan's ceilings and 90 days when nothing is asked for", () => {
    const expiresAtMs = NOW_MS + 90 * DAY_MS;
    expect(mint(free, {})).toEqual({
      models: ['gpt-4o-mini'],
      budgetNanoUsd: 5_000_000_000n,
      rpm: 30,
      mintedAtMs: NOW_MS,
      expiresAtMs,
    });
    expect(mint(pro, {})).toEqual({
      models: ['*'],
      budgetNanoUsd: 100_000_000_000n,
      rpm: 300,
      mintedAtMs: NOW_MS,
      expiresAtMs,
    });
  });

  it('reach the ceiling exactly and not a nano-dollar beyond', () => {
    expect(mint(free, { budgetUsd: '5', rpm: 30, expiresInDays: 365 })).toMatchObject({
      budgetNanoUsd: 5_000_000_000n,
      expiresAtMs: NOW_MS + 365 * DAY_MS,
    });
    expect(mint(free, { budgetUsd: '5.000000001' })).toBe('budget_above_plan');
    expect(mint(free, { rpm: 31 })).toBe('rpm_above_plan');
    expect(mint(free, { budgetUsd: '0' })).toBe('budget_zero');
    expect(mint(free, { budgetUsd: '0.000000001' })).toMatchObject({ budgetNanoUsd: 1n });
  });

  it('name only models that exist, to the letter, and that the plan includes', () => {
    expect(mint(free, { models: ['GPT-4o-mini'] })).toBe('unknown_model');
    expect(mint(pro, { models: ['llama-3-3-70b'] })).toBe('unknown_model');
    expect(mint(free, { models: ['gpt-4o-mini', 'gpt-4o'] })).toBe('model_not_in_plan');
    expect(mint(pro, { models: ['gpt-4o', 'gpt-4o'] })).toMatchObject({ models: ['gpt-4o'] });
    expect(mint(pro, { models: ['*'] })).toMatchObject({ models: ['*'] });
    expect(mint(free, { models: ['*'] })).toBe('model_not_in_plan');
  });

  it('leave room for as many keys as the plan says', () => {
    expect(refuseAnotherKey(1, free)).toBeNull();
    expect(refuseAnotherKey(2, free)?.code).toBe('plan_key_limit_reached');
    expect(refuseAnotherKey(3, free)?.code).toBe('plan_key_limit_reached');
  });
});

describe('a key text', () => {
  it('cannot be read from what is stored of it', () => {
    const text = newKeyText('AbCdEfGh');
    const preview = previewOf(text);
    expect(preview).toBe(`tl_AbCdEfGh…${text.slice(-4)}`);
    expect(hashKeyText(text, 'pepper')).toMatch(/^[0-9a-f]{64}$/);
    expect(hashKeyText(text, 'pepper')).not.toBe(hashKeyText(text, 'other pepper'));
  });
});

describe('a change of a key (TL-3)', () => {
  it('says what was sent and nothing else, within the plan', () => {
    expect(keyChange({}, free)).toEqual({ ok: true, change: {} });
    const asked = { name: 'n', budgetUsd: '5', rpm: 30, tags: { team: 'a' }, ownerUserId: null, projectId: null };
    const change = {
      name: 'n',
      budgetNanoUsd: 5_000_000_000n,
      rpm: 30,
      tags: { team: 'a' },
      ownerUserId: null,
      projectId: null,
    };
    expect(keyChange(asked, free)).toEqual({ ok: true, change });
    for (const [request, code] of [
      [{ budgetUsd: '5.1' }, 'budget_above_plan'],
      [{ rpm: 31 }, 'rpm_above_plan'],
      [{ models: null }, 'fixed_at_mint'],
      [{ expiresAt: 'x' }, 'fixed_at_mint'],
    ] as const) {
      expect(keyChange(request, free)).toMatchObject({ ok: false, refusal: { code } });
    }
  });

  it('is made to an active key alone', () => {
    expect(refuseInactive({ revokedAtMs: null, expiresAtMs: NOW_MS + 1 }, NOW_MS)).toBeNull();
    expect(refuseInactive({ revokedAtMs: null, expiresAtMs: NOW_MS }, NOW_MS)?.code).toBe('key_not_active');
    expect(refuseInactive({ revokedAtMs: 1, expiresAtMs: NOW_MS + 1 }, NOW_MS)?.code).toBe('key_not_active');
  });
});

describe('mints of an hour', () => {
  it('are bounded, and the wait ends when the oldest of them is an hour old', () => {
    const bound = free.keysMax + MINTS_PER_HOUR_BEYOND_PLAN;
    expect(refuseTooManyMints({ count: bound - 1, oldestMs: NOW_MS }, free, NOW_MS)).toBeNull();
    expect(refuseTooManyMints({ count: bound, oldestMs: NOW_MS - MINT_HOUR_MS + 1_500 }, free, NOW_MS)).toMatchObject({
      code: 'too_many_mints',
      exhausted: { policy: { quota: bound, windowMs: MINT_HOUR_MS }, waitMs: 1_500 },
    });
  });
});
