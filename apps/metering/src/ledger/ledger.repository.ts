import { Injectable } from '@nestjs/common';
import type { Tx } from '../database/database.types.js';
import type { LedgerEntry, PostedCall, Posting } from './ledger.rules.js';

const INSERT_TRANSACTIONS = `
  INSERT INTO metering.ledger_transactions (account_id, id, kind)
  SELECT account_id, id, 'usage' FROM unnest($1::uuid[], $2::uuid[]) AS t (account_id, id)`;

const INSERT_ENTRIES = `
  INSERT INTO metering.ledger_entries (account_id, transaction_id, ledger_account, amount_nano_usd)
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[])`;

const INSERT_CHARGES = `
  INSERT INTO metering.charges (usage_day, request_id, line, account_id, dimension, quantity, unit_price,
    amount_nano_usd, price_version_id, ledger_transaction_id)
  SELECT metering.uuid7_day(request_id), t.*
  FROM unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::text[], $5::bigint[], $6::numeric[], $7::bigint[], $8::uuid[], $9::uuid[])
    AS t (request_id, line, account_id, dimension, quantity, unit_price, amount_nano_usd, price_version_id, ledger_transaction_id)`;

/** Writes for all accounts (role metering_ingest), hence no account id as first argument. */
@Injectable()
export class LedgerRepository {
  async insertTransactions(tx: Tx, postings: readonly Posting[]): Promise<void> {
    const values = [postings.map((posting) => posting.accountId), postings.map((posting) => posting.transactionId)];
    await tx.query({ name: 'insert_transactions', text: INSERT_TRANSACTIONS, values });
  }

  async insertEntries(tx: Tx, entries: readonly LedgerEntry[]): Promise<void> {
    const values = [
      entries.map((entry) => entry.accountId),
      entries.map((entry) => entry.transactionId),
      entries.map((entry) => entry.ledgerAccount),
      entries.map((entry) => entry.amountNanoUsd.toString()),
    ];
    await tx.query({ name: 'insert_entries', text: INSERT_ENTRIES, values });
  }

  /** One row per charge line, numbered from 1 within its call. */
  async insertCharges(tx: Tx, posted: readonly PostedCall[]): Promise<void> {
    const rows = posted.flatMap(({ call, transactionId }) =>
      call.lines.map((line, index) => ({ event: call.event, transactionId, line, number: index + 1 })),
    );
    const values = [
      rows.map((row) => row.event.requestId),
      rows.map((row) => row.number),
      rows.map((row) => row.event.accountId),
      rows.map((row) => row.line.dimension),
      rows.map((row) => row.line.quantity),
      rows.map((row) => row.line.unitPrice),
      rows.map((row) => row.line.amountNanoUsd.toString()),
      rows.map((row) => row.event.priceVersionId),
      rows.map((row) => row.transactionId),
    ];
    await tx.query({ name: 'insert_charges', text: INSERT_CHARGES, values });
  }
}
