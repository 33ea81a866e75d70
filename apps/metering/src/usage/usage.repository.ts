import { Inject, Injectable } from '@nestjs/common';
import type { BookedRequest, UsageSum, UsageSummaryGetRequest } from '@tensorloop/contracts/rpc';
import { withAccount } from '@tensorloop/db/metering-pool';
import { uuid7Day } from '@tensorloop/kernel/uuid7';
import type { Pool } from 'pg';
import { READ_POOL } from '../database/database.types.js';
import { type BookedDbRow, type LineDbRow, type SumDbRow, toBookedRequest, toUsageSum } from './usage.dto.js';

const FIND_REQUEST = `
  SELECT request_id, admitted_at, key_id, model, endpoint, is_stream, outcome, http_status, is_estimated, quantities,
    charge_nano_usd, latency_ms, first_byte_ms, project_id, tags, completed_at, attempts
  FROM metering.usage
  WHERE account_id = $1 AND usage_day = $2::date AND request_id = $3`;

/** With its correction, if there was one: a dimension is one line, as if the call had been charged right at once. */
const LIST_LINES = `
  SELECT dimension, sum(quantity)::bigint AS quantity, unit_price::text, sum(amount_nano_usd)::bigint AS amount_nano_usd
  FROM metering.charges
  WHERE account_id = $1 AND usage_day = $2::date AND request_id = $3
  GROUP BY dimension, unit_price
  HAVING sum(quantity) <> 0
  ORDER BY min(line)`;

const SUMS = `sum(requests)::text AS requests, sum(input_tokens)::text AS input_tokens, sum(output_tokens)::text AS output_tokens,
    sum(charge_nano_usd)::text AS charge_nano_usd`;

/** All groupings in one pass over the days, hence of one instant: they add up to the same. */
const SUM_ROLLUPS = `
  SELECT day, model, key_id, grouping(day, model, key_id) AS kind, ${SUMS}
  FROM metering.daily_rollups
  WHERE account_id = $1 AND day BETWEEN $2::date AND $3::date
  GROUP BY GROUPING SETS ((day), (model), (key_id), ())
  ORDER BY day, model, key_id`;

/** Bits of grouping(day, model, key_id): a 0 bit means that the row is grouped by that column. */
const KIND = { day: 0b011, model: 0b101, key: 0b110, total: 0b111 } as const;

export interface UsageSummary {
  total: UsageSum | null;
  byDay: (UsageSum & { day: string })[];
  byModel: (UsageSum & { model: string })[];
  byKey: (UsageSum & { keyId: string })[];
}

/** Reads under the account's row-level security (role metering_app). */
@Injectable()
export class UsageRepository {
  constructor(@Inject(READ_POOL) private readonly pool: Pool) {}

  /** One call with its charge lines. The day inside its id says in which partition to look. */
  async findRequest(accountId: string, requestId: string): Promise<BookedRequest | null> {
    const values = [accountId, uuid7Day(requestId), requestId];
    return withAccount(this.pool, accountId, async (tx) => {
      const [row] = (await tx.query<BookedDbRow>(FIND_REQUEST, values)).rows;
      return row === undefined ? null : toBookedRequest(row, (await tx.query<LineDbRow>(LIST_LINES, values)).rows);
    });
  }

  /** Sums over the UTC days [fromDay, toDay]. `total` is null when there was no call. */
  async getSummary(accountId: string, range: Pick<UsageSummaryGetRequest, 'fromDay' | 'toDay'>): Promise<UsageSummary> {
    return withAccount(this.pool, accountId, async (tx) => {
      const values = [accountId, range.fromDay, range.toDay];
      const { rows } = await tx.query<SumDbRow>(SUM_ROLLUPS, values);
      const ofKind = (kind: number) => rows.filter((row) => row.kind === kind);
      const [total] = ofKind(KIND.total).filter((row) => row.requests !== null);
      return {
        total: total ? toUsageSum(total) : null,
        byDay: ofKind(KIND.day).map((row) => ({ day: row.day, ...toUsageSum(row) })),
        byModel: ofKind(KIND.model).map((row) => ({ model: row.model, ...toUsageSum(row) })),
        byKey: ofKind(KIND.key).map((row) => ({ keyId: row.key_id, ...toUsageSum(row) })),
      };
    });
  }
}
