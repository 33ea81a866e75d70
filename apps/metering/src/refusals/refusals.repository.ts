import { Inject, Injectable } from '@nestjs/common';
import type { RequestRefused } from '@tensorloop/contracts/request-refused';
import type { RefusalRow, RefusalsListRequest } from '@tensorloop/contracts/rpc';
import { withAccount } from '@tensorloop/db/metering-pool';
import type { Pool } from 'pg';
import { INGEST_POOL, READ_POOL } from '../database/database.types.js';

const ADD = `
  INSERT INTO metering.refusals
    (account_id, request_id, key_id, model, endpoint, code, http_status, count, first_at, last_at, gateway_id)
  SELECT "accountId", "requestId", "keyId", model, endpoint, code, "httpStatus", count,
    to_timestamp("firstAtMs"::float8 / 1000), to_timestamp("lastAtMs"::float8 / 1000), $2
  FROM jsonb_to_recordset($1::jsonb) AS refusal("accountId" uuid, "requestId" uuid, "keyId" uuid, model text, endpoint text,
    code text, "httpStatus" integer, count integer, "firstAtMs" bigint, "lastAtMs" bigint)
  ON CONFLICT DO NOTHING`;

const LIST = `
  SELECT request_id, key_id, model, endpoint, code, http_status, count, first_at, last_at FROM metering.refusals
  WHERE account_id = $1
    AND ($2::uuid IS NULL OR request_id < $2)
    AND ($3::uuid IS NULL OR key_id = $3)
    AND ($4::text IS NULL OR model = $4)
  ORDER BY request_id DESC
  LIMIT $5`;

const DELETE_OLD = `
  DELETE FROM metering.refusals WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM metering.refusals WHERE recorded_at < to_timestamp($1::float8 / 1000) ORDER BY recorded_at LIMIT $2))`;

interface RefusalDbRow {
  request_id: string;
  key_id: string;
  model: string;
  endpoint: RefusalRow['endpoint'];
  code: string;
  http_status: number;
  count: number;
  first_at: Date;
  last_at: Date;
}

function toRefusalRow(row: RefusalDbRow): RefusalRow {
  return {
    requestId: row.request_id,
    keyId: row.key_id,
    model: row.model,
    endpoint: row.endpoint,
    code: row.code,
    httpStatus: row.http_status,
    count: row.count,
    firstAtMs: row.first_at.getTime(),
    lastAtMs: row.last_at.getTime(),
  };
}

@Injectable()
export class RefusalsRepository {
  constructor(
    @Inject(INGEST_POOL) private readonly ingest: Pool,
    @Inject(READ_POOL) private readonly read: Pool,
  ) {}

  async add({ gatewayId, refusals }: RequestRefused): Promise<void> {
    await this.ingest.query(ADD, [JSON.stringify(refusals), gatewayId]);
  }

  /** Up to `limit`, newest id first, under the account's row-level security. */
  async list(
    accountId: string,
    { before, keyId, model, limit }: Omit<RefusalsListRequest, 'accountId'>,
  ): Promise<RefusalRow[]> {
    return withAccount(this.read, accountId, async (tx) => {
      const { rows } = await tx.query<RefusalDbRow>(LIST, [accountId, before, keyId, model, limit]);
      return rows.map(toRefusalRow);
    });
  }

  /** Up to `limit` rows recorded before `recordedBeforeMs`; returns how many. */
  async deleteOld(recordedBeforeMs: number, limit: number): Promise<number> {
    return (await this.ingest.query(DELETE_OLD, [recordedBeforeMs, limit])).rowCount ?? 0;
  }
}
