import type { NanoUsd } from '@tensorloop/kernel/money';
import type { PricedCall } from '../usage/usage.types.js';

/** One ledger transaction: what one account owes for its calls of one batch. */
export interface Posting {
  transactionId: string;
  accountId: string;
  amountNanoUsd: NanoUsd;
}

/** A call with the ledger transaction its lines belong to. */
export interface PostedCall {
  call: PricedCall;
  transactionId: string;
}

/**
 * One transaction per account that has charge lines. An account whose lines sum to 0 (free rates) gets a transaction
 * without entries: its lines need one to point to, and an entry of 0 would say nothing.
 */
export function toPostings(calls: readonly PricedCall[], newId: () => string): { postings: Posting[]; posted: PostedCall[] } {
  const byAccount = new Map<string, Posting>();
  const posted: PostedCall[] = [];
  for (const call of calls) {
    if (call.lines.length === 0) continue;
    const { accountId } = call.event;
    let posting = byAccount.get(accountId);
    if (posting === undefined) {
      posting = { transactionId: newId(), accountId, amountNanoUsd: 0n };
      byAccount.set(accountId, posting);
    }
    posting.amountNanoUsd += call.chargeNanoUsd;
    posted.push({ call, transactionId: posting.transactionId });
  }
  return { postings: [...byAccount.values()], posted };
}

export type LedgerAccount = 'receivable' | 'revenue';

export interface LedgerEntry {
  accountId: string;
  transactionId: string;
  ledgerAccount: LedgerAccount;
  amountNanoUsd: NanoUsd;
}

/** Debit what the account owes, credit what was earned: each transaction sums to zero. */
export function toEntries(postings: readonly Posting[]): LedgerEntry[] {
  return postings.flatMap(({ accountId, transactionId, amountNanoUsd }) =>
    amountNanoUsd === 0n
      ? []
      : [
          { accountId, transactionId, ledgerAccount: 'receivable' as const, amountNanoUsd },
          { accountId, transactionId, ledgerAccount: 'revenue' as const, amountNanoUsd: -amountNanoUsd },
        ],
  );
}
