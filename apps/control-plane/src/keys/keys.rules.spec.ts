import { describe, expect, it } from '@jest/globals';
import { newKeyText } from '@tensorloop/kernel/key-text';
import type { PlanCeilings } from '../plans/plans.types.js';
import { hashKeyText, mintTerms, previewOf, refuseAnotherKey } from './keys.rules.js';

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
