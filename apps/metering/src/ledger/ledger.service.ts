import { Inject, Injectable } from '@nestjs/common';
import { uuid7, uuid7Day } from '@tensorloop/kernel/uuid7';
import { CLOCK, type Clock } from '@tensorloop/nest-kit/clock';
import type { Tx } from '../database/database.types.js';
import { type Correction, toDifference } from '../usage/correction.types.js';
import type { PricedCall } from '../usage/usage.types.js';
import { LedgerRepository } from './ledger.repository.js';
import { toEntries, toPostings } from './ledger.rules.js';

@Injectable()
export class LedgerService {
  constructor(
    private readonly ledger: LedgerRepository,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Posts calls that were recorded in this transaction: charge lines, and one balanced ledger transaction per account. */
  async post(tx: Tx, calls: readonly PricedCall[]): Promise<void> {
    const { postings, posted } = toPostings(calls, () => uuid7(this.clock()));
    if (postings.length === 0) return;
    await this.ledger.insertTransactions(tx, postings);
    const entries = toEntries(postings);
    if (entries.length > 0) await this.ledger.insertEntries(tx, entries);
    await this.ledger.insertCharges(tx, posted);
  }

  /** Posts what true ends add to the estimates that they replaced, and returns it: a further part of the batch's sums. */
  async correct(tx: Tx, corrections: readonly Correction[]): Promise<PricedCall[]> {
    if (corrections.length === 0) return [];
    const ids = corrections.map(({ call }) => call.event.requestId);
    const lines = await this.ledger.listLines(tx, ids, [...new Set(ids.map(uuid7Day))]);
    const differences = corrections.map((correction) =>
      toDifference(correction, lines.get(correction.call.event.requestId) ?? []),
    );
    await this.post(tx, differences);
    return differences;
  }
}
