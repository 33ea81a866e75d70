import type { NanoUsd } from '@tensorloop/kernel/money';
import type { PricedCall } from '../usage/usage.types.js';

/** One ledger transaction: what one account owes for its calls of one batch. */
export interface Posting {
  transactionId: string;
  accountId: string;
  /** Paid for already: what it costs drains what we owe the account, instead of adding to what it owes us. */
  isPrepaid: boolean;
  amountNanoUsd: NanoUsd;
}

/** A call with the ledger transaction its lines belong to. */
export interface PostedCall {
  call: PricedCall;
  transactionId: string;
}

/**
 * One transaction per account that has charge lines, and two where it was prepaid for a part of them. An account whose lines sum to 0 (free rates) gets a transaction
 * without entries: its lines need one to point to, and an entry of 0 would say nothing.
 */
export function toPostings(calls: readonly PricedCall[], newId: () => string): { postings: Posting[]; posted: PostedCall[] } {
  const byAccount = new Map<string, Posting>();
  const posted: PostedCall[] = [];
  for (const call of calls) {
    if (call.lines.length === 0) continue;
    const { accountId } = call.event;
    const isPrepaid = call.event.isPrepaid === true;
    const name = `${accountId} ${isPrepaid}`;
    let posting = byAccount.get(name);
    if (posting === undefined) {
      posting = { transactionId: newId(), accountId, isPrepaid, amountNanoUsd: 0n };
      byAccount.set(name, posting);
    }
    posting.amountNanoUsd += call.chargeNanoUsd;
    posted.push({ call, transactionId: posting.transactionId });
  }
  return { postings: [...byAccount.values()], posted };
}

export type LedgerAccount = 'receivable' | 'prepaid' | 'revenue';

export interface LedgerEntry {
  accountId: string;
  transactionId: string;
  ledgerAccount: LedgerAccount;
  amountNanoUsd: NanoUsd;
}

/** Debit what the account owes (or had paid in), credit what was earned: each transaction sums to zero. */
export function toEntries(postings: readonly Posting[]): LedgerEntry[] {
  return postings.flatMap(({ accountId, transactionId, isPrepaid, amountNanoUsd }): LedgerEntry[] =>
    amountNanoUsd === 0n
      ? []
      : [
          { accountId, transactionId, ledgerAccount: isPrepaid ? 'prepaid' : 'receivable', amountNanoUsd },
          { accountId, transactionId, ledgerAccount: 'revenue', amountNanoUsd: -amountNanoUsd },
        ],
  );
}
