import type { Scope, ScopeTotal } from '@tensorloop/contracts/settle-ack';

/** A spending scope of an account. */
export interface AccountScope {
  accountId: string;
  scope: Scope;
}

/** A committed total with the account it belongs to. */
export type AccountScopeTotal = AccountScope & ScopeTotal;

export function scopeKey({ accountId, scope }: AccountScope): string {
  return `${accountId} ${scope}`;
}
