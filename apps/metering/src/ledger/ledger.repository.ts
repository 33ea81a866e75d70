import { Injectable } from '@nestjs/common';
import { bigints, smallints, texts, uuids } from '@tensorloop/db/binary-arrays';
import type { Tx } from '../database/database.types.js';
import type { LedgerEntry, PostedCall, Posting } from './ledger.rules.js';

const INSERT_TRANSACTIONS = `
  INSERT INTO metering.ledger_transactions (account_id, id, kind)
  SELECT account_id, id, 'usage' FROM unnest($1::uuid[], $2::uuid[]) AS t (account_id, id)`;

const INSERT_ENTRIES = `
  INSERT INTO metering.ledger_entries (account_id, transaction_id, ledger_account, amount_nano_usd)
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[])`;

/** Arrays of one width are read by number and the others unnested: cheaper, for thousands of lines. */
const INSERT_CHARGES = `
  INSERT INTO metering.charges (usage_day, request_id, line, account_id, dimension, quantity, unit_price,
    amount_nano_usd, price_version_id, ledger_transaction_id)
  SELECT metering.uuid7_day(($1::uuid[])[i]), ($1::uuid[])[i], ($2::smallint[])[i], ($3::uuid[])[i], dimension,
    ($5::bigint[])[i], unit_price, ($7::bigint[])[i], ($8::uuid[])[i], ($9::uuid[])[i]
  FROM unnest($4::text[], $6::numeric[]) WITH ORDINALITY AS t (dimension, unit_price, i)`;

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
      uuids(rows.map((row) => row.event.requestId)),
      smallints(rows.map((row) => row.number)),
      uuids(rows.map((row) => row.event.accountId)),
      texts(rows.map((row) => row.line.dimension)),
      bigints(rows.map((row) => row.line.quantity)),
      rows.map((row) => row.line.unitPrice),
      bigints(rows.map((row) => row.line.amountNanoUsd)),
      uuids(rows.map((row) => row.event.priceVersionId)),
      uuids(rows.map((row) => row.transactionId)),
    ];
    await tx.query({ name: 'insert_charges', text: INSERT_CHARGES, values });
  }
}
