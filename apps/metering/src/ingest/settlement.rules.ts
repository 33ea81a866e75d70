import type { AccountSettled, GatewaySettled } from '@tensorloop/contracts/settle-ack';
import { type AccountScope, type AccountScopeTotal, scopeKey } from '../totals/totals.types.js';
import type { SettleTarget } from './ingest.types.js';

/** The settle-acks of one gateway. */
export interface Settlement {
  gatewayId: string;
  settled: GatewaySettled;
}

/** The scopes whose totals the targets are to be told. */
export function scopesOfTargets(targets: readonly SettleTarget[]): AccountScope[] {
  return targets.flatMap(({ account }) => account?.scopes.map((scope) => ({ accountId: account.id, scope })) ?? []);
}

/**
 * Groups what was dealt with by gateway, then by account. An id that occurs twice is listed once; a scope without a row
 * (nothing was ever charged to it) is left out, since there is no total to tell.
 */
export function toSettlements(targets: readonly SettleTarget[], totals: readonly AccountScopeTotal[]): Settlement[] {
  const totalByScope = new Map(totals.map((total) => [scopeKey(total), total]));
  const gateways = new Map<string, Map<string, SettleTarget[]>>();
  for (const target of targets) {
    const accounts = gateways.get(target.gatewayId) ?? new Map<string, SettleTarget[]>();
    gateways.set(target.gatewayId, accounts);
    const ofAccount = accounts.get(target.accountTag);
    if (ofAccount) ofAccount.push(target);
    else accounts.set(target.accountTag, [target]);
  }
  return [...gateways].map(([gatewayId, accounts]) => ({
    gatewayId,
    settled: {
      v: 1,
      takesBatches: true,
      accounts: [...accounts].map(([accountTag, ofAccount]) => toAccountSettled(accountTag, ofAccount, totalByScope)),
    },
  }));
}

function toAccountSettled(
  accountTag: string,
  targets: readonly SettleTarget[],
  totalByScope: ReadonlyMap<string, AccountScopeTotal>,
): AccountSettled {
  const keys = new Set(scopesOfTargets(targets).map(scopeKey));
  return {
    accountTag,
    requestIds: [...new Set(targets.map((target) => target.requestId))],
    totals: [...keys].flatMap((key) => {
      const total = totalByScope.get(key);
      if (total === undefined) return [];
      const { accountId: _accountId, ...told } = total;
      return [told];
    }),
  };
}
