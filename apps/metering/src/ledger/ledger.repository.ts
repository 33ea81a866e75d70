import { Injectable } from '@nestjs/common';
import type { Dimension } from '@tensorloop/contracts/usage';
import { bigints, booleans, smallints, texts, uuids } from '@tensorloop/db/binary-arrays';
import type { ChargeLine } from '@tensorloop/pricing/charge';
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
    amount_nano_usd, price_version_id, ledger_transaction_id, is_correction)
  SELECT metering.uuid7_day(($1::uuid[])[i]), ($1::uuid[])[i], ($2::smallint[])[i], ($3::uuid[])[i], dimension,
    ($5::bigint[])[i], unit_price, ($7::bigint[])[i], ($8::uuid[])[i], ($9::uuid[])[i], ($10::boolean[])[i]
  FROM unnest($4::text[], $6::numeric[]) WITH ORDINALITY AS t (dimension, unit_price, i)`;

const LIST_LINES = `
  SELECT request_id, dimension, quantity, unit_price::text, amount_nano_usd FROM metering.charges
  WHERE usage_day = ANY ($2::date[]) AND request_id = ANY ($1::uuid[])
  ORDER BY request_id, line`;

interface LineRow {
  request_id: string;
  dimension: Dimension;
  quantity: bigint;
  unit_price: string;
  amount_nano_usd: bigint;
}

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

  /** Lines of booked calls, by request id. */
  async listLines(tx: Tx, requestIds: readonly string[], days: readonly string[]): Promise<Map<string, ChargeLine[]>> {
    const { rows } = await tx.query<LineRow>(LIST_LINES, [requestIds, days]);
    const lines = new Map<string, ChargeLine[]>();
    for (const { request_id, dimension, quantity, unit_price, amount_nano_usd } of rows) {
      const line = { dimension, quantity: Number(quantity), unitPrice: unit_price, amountNanoUsd: amount_nano_usd };
      const ofCall = lines.get(request_id);
      if (ofCall) ofCall.push(line);
      else lines.set(request_id, [line]);
    }
    return lines;
  }

  /** One row per charge line, numbered from 1 within its call; those of a correction go on from there. */
  async insertCharges(tx: Tx, posted: readonly PostedCall[]): Promise<void> {
    const rows = posted.flatMap(({ call, transactionId }) =>
      call.lines.map((line, index) => ({
        event: call.event,
        transactionId,
        line,
        number: (call.corrects?.linesBooked ?? 0) + index + 1,
        isCorrection: call.corrects !== undefined,
      })),
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
      booleans(rows.map((row) => row.isCorrection)),
    ];
    await tx.query({ name: 'insert_charges', text: INSERT_CHARGES, values });
  }
}
