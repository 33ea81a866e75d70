import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type pg from 'pg';
import { type EmptyDatabase, startEmptyDatabase } from './database.fixture.js';
import { createMeteringPool, withTransaction } from './metering-pool.js';
import { migrate } from './migrate.js';

const INSERT_PRICE =
  'INSERT INTO metering.price_versions (id, model, effective_from, effective_to, rates) VALUES ($1, $2, $3, $4, $5)';
const RATES = { input: '0.15' };

let database: EmptyDatabase;
let owner: pg.Client;
beforeAll(async () => {
  database = await startEmptyDatabase();
  await migrate(database.urls.owner);
  owner = await database.connect('owner');
});
afterAll(async () => {
  await database.close();
});

describe('price versions', () => {
  it('of one model cannot overlap, by a millisecond neither', async () => {
    const model = uuid7();
    await owner.query(INSERT_PRICE, [uuid7(), model, '2026-01-01Z', '2026-06-01Z', RATES]);
    await owner.query(INSERT_PRICE, [uuid7(), model, '2026-06-01Z', null, RATES]);
    await expect(owner.query(INSERT_PRICE, [uuid7(), model, '2026-05-31T23:59:59.999Z', '2026-06-01Z', RATES])).rejects.toThrow(
      'exclusion constraint',
    );
    await expect(owner.query(INSERT_PRICE, [uuid7(), model, '2030-01-01Z', null, RATES])).rejects.toThrow(
      'exclusion constraint',
    );
    await owner.query(INSERT_PRICE, [uuid7(), uuid7(), '2026-01-01Z', null, RATES]);
  });

  it('can be closed once and changed in no other way, by the owner neither', async () => {
    const id = uuid7();
    await owner.query(INSERT_PRICE, [id, uuid7(), '2026-01-01Z', null, RATES]);
    for (const change of [
      "rates = '{}'",
      "model = 'x'",
      "effective_from = '2025-01-01Z'",
      "effective_to = '2027-01-01Z', rates = '{}'",
    ]) {
      await expect(owner.query(`UPDATE metering.price_versions SET ${change} WHERE id = $1`, [id])).rejects.toThrow(
        'append-only',
      );
    }
    await owner.query("UPDATE metering.price_versions SET effective_to = '2027-01-01Z' WHERE id = $1", [id]);
    await expect(
      owner.query("UPDATE metering.price_versions SET effective_to = '2028-01-01Z' WHERE id = $1", [id]),
    ).rejects.toThrow('append-only');
    await expect(owner.query('DELETE FROM metering.price_versions WHERE id = $1', [id])).rejects.toThrow('append-only');
  });

  it('cannot be written by the ingest', async () => {
    const ingest = await database.connect('meteringIngest');
    await expect(ingest.query(INSERT_PRICE, [uuid7(), uuid7(), '2026-01-01Z', null, RATES])).rejects.toThrow(
      'permission denied',
    );
  });
});

describe('ledger', () => {
  async function post(amounts: readonly [bigint, bigint]): Promise<string> {
    const pool = createMeteringPool(database.urls.meteringIngest, { name: 'spec', connectionsMax: 1 });
    const [accountId, transactionId] = [uuid7(), uuid7()];
    try {
      await withTransaction(pool, async (client) => {
        await client.query("INSERT INTO metering.ledger_transactions (account_id, id, kind) VALUES ($1, $2, 'usage')", [
          accountId,
          transactionId,
        ]);
        const insert = 'INSERT INTO metering.ledger_entries VALUES ($1, $2, $3, $4)';
        await client.query(insert, [accountId, transactionId, 'receivable', amounts[0].toString()]);
        await client.query(insert, [accountId, transactionId, 'revenue', amounts[1].toString()]);
      });
      return accountId;
    } finally {
      await pool.end();
    }
  }

  it('takes a transaction that sums to zero, exactly above 2^53', async () => {
    const amount = 9_007_199_254_740_993n;
    const accountId = await post([amount, -amount]);
    const pool = createMeteringPool(database.urls.meteringIngest, { name: 'spec', connectionsMax: 1 });
    const { rows } = await pool.query('SELECT amount_nano_usd FROM metering.ledger_entries WHERE account_id = $1 ORDER BY 1', [
      accountId,
    ]);
    expect(rows).toEqual([{ amount_nano_usd: -amount }, { amount_nano_usd: amount }]);
    await pool.end();
  });

  it('refuses at COMMIT one that does not', async () => {
    const before = await owner.query('SELECT count(*) FROM metering.ledger_entries');
    await expect(post([5n, -4n])).rejects.toThrow('does not sum to zero');
    expect((await owner.query('SELECT count(*) FROM metering.ledger_entries')).rows).toEqual(before.rows);
  });
});
