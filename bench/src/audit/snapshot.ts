import { DIMENSIONS } from '@tensorloop/contracts/usage';
import type { Client } from 'pg';
import type { SourceName, Sums, TableRow } from './audit.types.js';

/** Sums and differences are counted by the database: only one line per account × key × model leaves it. */

export interface SnapshotClient {
  query: Client['query'];
}

export interface SumRow {
  account_id: string;
  key_id: string;
  model: string;
  requests: string;
  estimated: string;
  nano_usd: string;
  [quantity: `q_${string}`]: string;
}

const QUANTITY_COLUMNS = DIMENSIONS.map(
  (dimension) => `coalesce(sum((quantities ->> '${dimension}')::bigint), 0) AS q_${dimension}`,
).join(', ');

/** One look at the ledger: everything read afterwards on this connection is of the same instant, live traffic or not. */
export async function openSnapshot(client: SnapshotClient): Promise<void> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
}

export async function closeSnapshot(client: SnapshotClient): Promise<void> {
  await client.query('ROLLBACK');
}

export async function readUsageSums(client: SnapshotClient): Promise<SumRow[]> {
  return rows(
    client,
    `SELECT account_id, key_id, model, count(*) AS requests, count(*) FILTER (WHERE is_estimated) AS estimated,
            sum(charge_nano_usd) AS nano_usd, ${QUANTITY_COLUMNS}
       FROM metering.usage GROUP BY account_id, key_id, model`,
  );
}

/** Charge lines joined to their call, turned into the same shape. A line of no call is left to the per-call check. */
export async function readChargeSums(client: SnapshotClient): Promise<SumRow[]> {
  const columns = DIMENSIONS.map(
    (dimension) => `coalesce(sum(c.quantity) FILTER (WHERE c.dimension = '${dimension}'), 0) AS q_${dimension}`,
  ).join(', ');
  return rows(
    client,
    `SELECT u.account_id, u.key_id, u.model, count(DISTINCT u.request_id) AS requests, 0 AS estimated,
            coalesce(sum(c.amount_nano_usd), 0) AS nano_usd, ${columns}
       FROM metering.charges c JOIN metering.usage u USING (usage_day, request_id)
      GROUP BY u.account_id, u.key_id, u.model`,
  );
}

/** Rollups know input and output only: they are put under the dimension that sums into each. */
export async function readRollupSums(client: SnapshotClient): Promise<SumRow[]> {
  return rows(
    client,
    `SELECT account_id, key_id, model, sum(requests) AS requests, 0 AS estimated, sum(charge_nano_usd) AS nano_usd,
            sum(input_tokens) AS q_input, sum(output_tokens) AS q_output
       FROM metering.hourly_rollups GROUP BY account_id, key_id, model`,
  );
}

export async function readAccounts(client: SnapshotClient): Promise<{ id: string; tag: string }[]> {
  return rows(
    client,
    `SELECT a.id, a.tag FROM control.accounts a
      WHERE EXISTS (SELECT 1 FROM metering.scope_totals t WHERE t.account_id = a.id)
         OR EXISTS (SELECT 1 FROM control.keys k WHERE k.account_id = a.id)
      ORDER BY a.id`,
  );
}

export async function rows<Row>(client: SnapshotClient, sql: string, values: unknown[] = []): Promise<Row[]> {
  const result = await client.query(sql, values);
  return result.rows as Row[];
}

export function toSums(row: SumRow): Sums {
  const quantities: Sums['quantities'] = {};
  for (const dimension of DIMENSIONS) {
    const text = row[`q_${dimension}`];
    if (text !== undefined && text !== '0') quantities[dimension] = BigInt(text);
  }
  return { requests: BigInt(row.requests), quantities, nanoUsd: BigInt(row.nano_usd) };
}

/** The table under construction, addressed by account, key and model. */
export class SourceTable {
  private readonly byName = new Map<string, TableRow>();

  row(accountId: string, keyId: string, model: string): TableRow {
    const name = `${accountId} ${keyId} ${model}`;
    let row = this.byName.get(name);
    if (!row) {
      row = { accountId, keyId, model, estimated: 0n, sources: {} };
      this.byName.set(name, row);
    }
    return row;
  }

  add(source: SourceName, sumRows: SumRow[]): void {
    for (const sumRow of sumRows) {
      const row = this.row(sumRow.account_id, sumRow.key_id, sumRow.model);
      row.sources[source] = toSums(sumRow);
      row.estimated += BigInt(sumRow.estimated);
    }
  }

  rows(): TableRow[] {
    return [...this.byName.values()].sort((a, b) => (rowOrder(a) < rowOrder(b) ? -1 : 1));
  }
}

function rowOrder(row: TableRow): string {
  return `${row.accountId} ${row.keyId} ${row.model}`;
}
