import { Inject, Injectable } from '@nestjs/common';
import { withTransaction } from '@tensorloop/db/metering-pool';
import type { Pool } from 'pg';
import { INGEST_POOL, type Tx } from '../database/database.types.js';
import { RollupsRepository } from './rollups.repository.js';

const MS_PER_SECOND = 1_000;

/** The name of a tag that an account has sums of, or had. */
export interface SummedName {
  accountId: string;
  name: string;
}

const LIST = `
  SELECT account_id, name FROM metering.tag_names
  WHERE (account_id, name) > ($1::uuid, $2::text) ORDER BY account_id, name LIMIT $3`;

/** By name, so that rows are found by the primary key: there is no index by the hour alone, and bookings need not write one. */
const DELETE_OLD = `
  DELETE FROM metering.attribution_rollups WHERE ctid = ANY (ARRAY(
    SELECT r.ctid FROM unnest($1::uuid[], $2::text[]) AS n (account_id, name)
    JOIN metering.attribution_rollups r
      ON r.account_id = n.account_id AND r.dimension = 'tag:' || n.name AND r.hour < to_timestamp($3::float8)
    LIMIT $4))`;

/** A name that found room only lately has no sums until a day is reached; it must not lose its room before. */
const IS_UNUSED = `n.since < now() - interval '1 day' AND NOT EXISTS (SELECT FROM metering.attribution_rollups r
    WHERE r.account_id = n.account_id AND r.dimension = 'tag:' || n.name)`;
const WANTED = '(n.account_id, n.name) = (wanted.account_id, wanted.name)';
const LIST_UNUSED = `
  SELECT n.account_id, n.name FROM unnest($1::uuid[], $2::text[]) AS wanted (account_id, name)
  JOIN metering.tag_names n ON ${WANTED} WHERE ${IS_UNUSED}`;
const FREE = `
  DELETE FROM metering.tag_names n USING unnest($1::uuid[], $2::text[]) AS wanted (account_id, name)
  WHERE ${WANTED} AND ${IS_UNUSED}`;

/** Over all accounts (role metering_ingest). */
@Injectable()
export class TagRetentionRepository {
  constructor(
    @Inject(INGEST_POOL) private readonly pool: Pool,
    private readonly rollups: RollupsRepository,
  ) {}

  /** Up to `limit` names after `after`, in the order of the primary key. */
  async listNames(after: SummedName, limit: number): Promise<SummedName[]> {
    return toNames(await this.pool.query<NameDbRow>(LIST, [after.accountId, after.name, limit]));
  }

  /** Up to `limit` sums of hours before `beforeMs`; returns how many. */
  async deleteOld(names: readonly SummedName[], beforeMs: number, limit: number): Promise<number> {
    return (await this.pool.query(DELETE_OLD, [...arraysOf(names), beforeMs / MS_PER_SECOND, limit])).rowCount ?? 0;
  }

  /** Names of which there is no sum any more take no room; returns how many they were. */
  async freeNames(names: readonly SummedName[]): Promise<number> {
    const unused = toNames(await this.pool.query<NameDbRow>(LIST_UNUSED, arraysOf(names)));
    if (unused.length === 0) return 0;
    return withTransaction(this.pool, async (tx: Tx) => {
      // A booking that is about to add sums has the lock until they are there to be seen.
      await this.rollups.lockTagValues(tx, [...new Set(unused.map(({ accountId }) => accountId))].sort());
      return (await tx.query(FREE, arraysOf(unused))).rowCount ?? 0;
    });
  }
}

interface NameDbRow {
  account_id: string;
  name: string;
}

function toNames({ rows }: { rows: NameDbRow[] }): SummedName[] {
  return rows.map((row) => ({ accountId: row.account_id, name: row.name }));
}

function arraysOf(names: readonly SummedName[]): [accountIds: string[], names: string[]] {
  return [names.map(({ accountId }) => accountId), names.map(({ name }) => name)];
}
