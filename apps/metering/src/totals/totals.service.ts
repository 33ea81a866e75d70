import { Injectable } from '@nestjs/common';
import type { Scope, ScopeTotal } from '@tensorloop/contracts/settle-ack';
import type { Tx } from '../database/database.types.js';
import type { PricedCall } from '../usage/usage.types.js';
import { TotalsRepository } from './totals.repository.js';
import { toScopeAdditions, withMissingScopes } from './totals.rules.js';
import { type AccountScope, type AccountScopeTotal, scopeKey } from './totals.types.js';

/** Scopes of an account that are answered with those asked for: its keys of late, and some. */
export const RECENT_SCOPES_MAX = 500;

@Injectable()
export class TotalsService {
  constructor(private readonly totals: TotalsRepository) {}

  /**
   * Adds calls that were recorded in this transaction to their scopes, and returns the new totals together with the
   * current ones of `others` (scopes of duplicates and of quarantined calls, which are acknowledged as well).
   */
  async add(tx: Tx, calls: readonly PricedCall[], others: readonly AccountScope[]): Promise<AccountScopeTotal[]> {
    const raised = calls.length === 0 ? [] : await this.totals.add(tx, toScopeAdditions(calls));
    const known = new Set(raised.map(scopeKey));
    const missing = new Map(others.filter((scope) => !known.has(scopeKey(scope))).map((scope) => [scopeKey(scope), scope]));
    if (missing.size === 0) return raised;
    return [...raised, ...(await this.totals.listMany(tx, [...missing.values()]))];
  }

  /** Committed totals of one account's scopes, each answered even when it has no row; if asked for, with others of late. */
  async get(accountId: string, scopes: readonly Scope[], isWithRecent = false): Promise<ScopeTotal[]> {
    if (!isWithRecent) return withMissingScopes(scopes, await this.totals.list(accountId, scopes));
    const totals = await this.totals.listWithRecent(accountId, scopes, RECENT_SCOPES_MAX);
    const asked = new Set(scopes);
    return [...withMissingScopes(scopes, totals), ...totals.filter(({ scope }) => !asked.has(scope))];
  }
}
