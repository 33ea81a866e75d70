import type { AccountState, Change } from './operators.types.js';

/** A disabled account stays so whatever its members ask for. */
export function statusOf({ disabledAt, deleteAfter }: Pick<AccountState, 'disabledAt' | 'deleteAfter'>) {
  if (disabledAt !== null) return 'disabled' as const;
  return deleteAfter === null ? ('active' as const) : ('deleting' as const);
}

/** Disabled twice, it stays disabled since the first time. */
export function disable(before: AccountState, now: Date): Change {
  return { data: { disabledAt: before.disabledAt ?? now }, action: 'account.disabled', details: {} };
}

export function enable(): Change {
  return { data: { disabledAt: null }, action: 'account.enabled', details: {} };
}

export function setPlan(before: AccountState, planId: string): Change {
  return { data: { planId }, action: 'account.plan_changed', details: { from: before.planId, to: planId } };
}

export function reproject(): Change {
  return { data: {}, action: 'account.keys_reprojected', details: {} };
}
