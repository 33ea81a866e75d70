import { BALANCE_SCOPE, type Scope, type ScopeTotal } from '@tensorloop/contracts/settle-ack';
import type { NanoUsd } from '@tensorloop/kernel/money';
import { type PricedCall, scopesOf } from '../usage/usage.types.js';
import { type AccountScope, scopeKey } from './totals.types.js';

/** What the calls of one batch add to a scope. */
export interface ScopeAddition extends AccountScope {
  amountNanoUsd: NanoUsd;
  /** The latest admission of them, Unix ms. */
  lastAtMs: number;
}

/**
 * Sums calls per scope, sorted: replicas lock the rows in one order. A scope whose calls cost nothing is kept, so that
 * it has a row and a version from its first call on.
 */
export function toScopeAdditions(calls: readonly PricedCall[]): ScopeAddition[] {
  const byScope = new Map<string, ScopeAddition>();
  for (const { event, chargeNanoUsd } of calls) {
    for (const scope of scopesOf(event)) {
      const key = scopeKey({ accountId: event.accountId, scope });
      const addition = byScope.get(key);
      if (addition === undefined) {
        byScope.set(key, { accountId: event.accountId, scope, amountNanoUsd: chargeNanoUsd, lastAtMs: event.admittedAtMs });
        continue;
      }
      addition.amountNanoUsd += chargeNanoUsd;
      addition.lastAtMs = Math.max(addition.lastAtMs, event.admittedAtMs);
    }
  }
  return [...byScope].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, addition]) => addition);
}

/** The totals of `scopes` in their order; a scope without a row has total 0 at version 0. */
export function withMissingScopes(scopes: readonly Scope[], totals: readonly ScopeTotal[]): ScopeTotal[] {
  const byScope = new Map(totals.map((total) => [total.scope, total]));
  const missing = (scope: Scope): ScopeTotal => ({
    scope,
    totalNanoUsd: '0',
    version: 0,
    ...(scope === BALANCE_SCOPE ? { limitNanoUsd: '0' } : {}),
  });
  return scopes.map((scope) => byScope.get(scope) ?? missing(scope));
}
