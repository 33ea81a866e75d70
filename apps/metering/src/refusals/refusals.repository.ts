import { Inject, Injectable } from '@nestjs/common';
import type { RequestRefused } from '@tensorloop/contracts/request-refused';
import type { RefusalRow, RefusalsListRequest } from '@tensorloop/contracts/rpc';
import type { Tags } from '@tensorloop/contracts/tags';
import { withAccount } from '@tensorloop/db/metering-pool';
import type { Pool } from 'pg';
import { INGEST_POOL, READ_POOL } from '../database/database.types.js';

const MS_PER_SECOND = 1_000;

const ADD = `
  INSERT INTO metering.refusals
    (account_id, request_id, key_id, model, endpoint, code, http_status, count, first_at, last_at, gateway_id, project_id, tags)
  SELECT "accountId", "requestId", "keyId", model, endpoint, code, "httpStatus", count,
    to_timestamp("firstAtMs"::float8 / 1000), to_timestamp("lastAtMs"::float8 / 1000), $2, "projectId", tags
  FROM jsonb_to_recordset($1::jsonb) AS refusal("accountId" uuid, "requestId" uuid, "keyId" uuid, model text, endpoint text,
    code text, "httpStatus" integer, count integer, "firstAtMs" bigint, "lastAtMs" bigint, "projectId" uuid, tags jsonb)
  ON CONFLICT DO NOTHING`;

const LIST = `
  SELECT request_id, key_id, model, endpoint, code, http_status, count, first_at, last_at, project_id, tags FROM metering.refusals
  WHERE account_id = $1
    AND ($2::uuid IS NULL OR request_id < $2)
    AND ($3::uuid IS NULL OR key_id = $3)
    AND ($4::text IS NULL OR model = $4)
    AND ($5::float8 IS NULL OR last_at >= to_timestamp($5))
    AND ($6::float8 IS NULL OR last_at < to_timestamp($6))
    AND ($7::uuid IS NULL OR project_id = $7)
    AND ($8::jsonb IS NULL OR tags @> $8)
    AND ($9::uuid IS NULL OR request_id = $9)
  ORDER BY request_id DESC
  LIMIT $10`;

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
  project_id: string | null;
  tags: Tags | null;
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
    ...(row.project_id === null ? {} : { projectId: row.project_id }),
    ...(row.tags === null ? {} : { tags: row.tags }),
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
    { before, keyId, model, limit, fromMs, toMs, projectId, tag, requestId }: Omit<RefusalsListRequest, 'accountId'>,
  ): Promise<RefusalRow[]> {
    const seconds = (ms: number | undefined) => (ms === undefined ? null : ms / MS_PER_SECOND);
    const tags = tag === undefined ? null : JSON.stringify({ [tag.name]: tag.value });
    return withAccount(this.read, accountId, async (tx) => {
      const filters = [seconds(fromMs), seconds(toMs), projectId ?? null, tags, requestId ?? null];
      const { rows } = await tx.query<RefusalDbRow>(LIST, [accountId, before, keyId, model, ...filters, limit]);
      return rows.map(toRefusalRow);
    });
  }

  /** Up to `limit` rows recorded before `recordedBeforeMs`; returns how many. */
  async deleteOld(recordedBeforeMs: number, limit: number): Promise<number> {
    return (await this.ingest.query(DELETE_OLD, [recordedBeforeMs, limit])).rowCount ?? 0;
  }
}
