import { describe, expect, it } from '@jest/globals';
import { describeChange, isListed, type PlannedKey, type PlanTerms, refusePlan, toOffer } from './plans.rules.js';

const NANO = 1_000_000_000n;

function planOf(id: string, changes: Partial<PlanTerms> = {}): PlanTerms {
  return {
    id,
    name: id,
    keysMax: 10,
    budgetPerKeyNanoUsdMax: 100n * NANO,
    rpmPerKeyMax: 300,
    models: ['*'],
    feeNanoUsd: 49n * NANO,
    rpmPerAccountMax: 3_000,
    knowledgeBasesMax: 10,
    storageBytesMax: 10_000_000_000n,
    isCustom: false,
    isOffered: true,
    ...changes,
  };
}
const free = planOf('free', { keysMax: 2, budgetPerKeyNanoUsdMax: 5n * NANO, rpmPerKeyMax: 30, models: ['gpt-4o-mini'] });
const pro = planOf('pro');
const enterprise = planOf('enterprise', { isCustom: true, isOffered: false });
const internal = planOf('internal', { isOffered: false });
const known = new Set(['gpt-4o-mini', 'gpt-4o', 'claude']);

function keyOf(id: string, changes: Partial<PlannedKey> = {}): PlannedKey {
  return { id, name: id, preview: 'tl_…', models: ['*'], budgetNanoUsd: 100n * NANO, rpm: 300, ...changes };
}

describe('what an account is shown of plans (TS-7)', () => {
  it('are those it may choose, those it may ask for, and its own', () => {
    expect([free, pro, enterprise, internal].filter((plan) => isListed(plan, 'free')).map(({ id }) => id)).toEqual([
      'free',
      'pro',
      'enterprise',
    ]);
    expect(isListed(internal, 'internal')).toBe(true);
  });

  it('says the fee, or that it is agreed one by one', () => {
    expect(toOffer(pro, 'free')).toMatchObject({ feeUsd: '49.00', isSelectable: true, isCurrent: false });
    expect(toOffer(enterprise, 'free')).toMatchObject({ feeUsd: null, feeNanoUsd: null, isSelectable: false, isCustom: true });
    expect(toOffer(pro, 'pro')).toMatchObject({ isSelectable: false, isCurrent: true });
  });
});

describe('choosing a plan (TL-2)', () => {
  const account = { planId: 'free', isActive: true };

  it('is refused for a plan by agreement, and one that nobody is offered looks like none', () => {
    expect(refusePlan(pro, account)).toBeNull();
    expect(refusePlan(enterprise, account)).toBe('plan_by_agreement');
    expect(refusePlan(internal, account)).toBe('plan_unknown');
    expect(refusePlan(null, account)).toBe('plan_unknown');
  });

  it('is refused while the account is not active', () => {
    expect(refusePlan(pro, { ...account, isActive: false })).toBe('account_not_active');
  });

  it('may name the plan that it has, whichever that is', () => {
    expect(refusePlan(internal, { planId: 'internal', isActive: true })).toBeNull();
  });
});

describe('what a smaller plan cuts (TL-2)', () => {
  it('is said of each key: limits before and after, and the models that leave', () => {
    const change = describeChange(
      { from: pro, to: free },
      [keyOf('a'), keyOf('b', { models: ['gpt-4o-mini', 'gpt-4o'], rpm: 20 })],
      known,
    );
    expect(change.keys).toEqual([
      expect.objectContaining({
        id: 'a',
        rpm: { from: 300, to: 30 },
        budgetUsd: { from: '100.00', to: '5.00' },
        models: { from: ['*'], to: ['gpt-4o-mini'] },
        modelsRemoved: ['claude', 'gpt-4o'],
        hasNoModelLeft: false,
      }),
      expect.objectContaining({ id: 'b', rpm: { from: 20, to: 20 }, modelsRemoved: ['gpt-4o'] }),
    ]);
  });

  it('is said of a key that keeps no model at all', () => {
    const [key] = describeChange({ from: pro, to: free }, [keyOf('a', { models: ['claude'] })], known).keys;
    expect(key).toMatchObject({ models: { from: ['claude'], to: [] }, hasNoModelLeft: true });
  });

  it('counts the keys above its number, and leaves out those that change in nothing', () => {
    const small = keyOf('s', { models: ['gpt-4o-mini'], rpm: 10, budgetNanoUsd: NANO });
    const change = describeChange({ from: pro, to: free }, [small, small, small], known);
    expect(change).toMatchObject({ keysActive: 3, keysSurplus: 1, keys: [] });
  });

  it('is measured from what is in force now, not from what the key was minted with', () => {
    const [key] = describeChange({ from: free, to: pro }, [keyOf('a')], known).keys;
    expect(key).toMatchObject({ rpm: { from: 30, to: 300 }, models: { from: ['gpt-4o-mini'], to: ['*'] }, modelsRemoved: [] });
  });

  it('warns when the way back is not the account’s to choose', () => {
    expect(describeChange({ from: enterprise, to: pro }, [], known).isReversible).toBe(false);
    expect(describeChange({ from: pro, to: free }, [], known).isReversible).toBe(true);
  });
});
