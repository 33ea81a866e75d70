import { Inject, Injectable } from '@nestjs/common';
import type { ActivityRow } from '@tensorloop/contracts/rpc';
import { withAccount } from '@tensorloop/db/metering-pool';
import { DAY_MS } from '@tensorloop/kernel/budget-window';
import type { Pool } from 'pg';
import { READ_POOL } from '../database/database.types.js';
import { type ActivityFilter, activityQuery, callsQuery, hoursQuery, type Query, taggedQuery } from './activity-query.rules.js';
import { type ActivityDbRow, toActivityRow } from './usage.dto.js';
import { activitySpans, type DaySpan } from './usage.rules.js';

/** Calls with a tag that are looked through at once for those that fit the other filters. */
const TAGGED_ROWS_MAX = 2_000;

export interface ActivityQuery extends ActivityFilter {
  limit: number;
  nowMs: number;
}

/** Reads under the account's row-level security (role metering_app). */
@Injectable()
export class ActivityRepository {
  constructor(@Inject(READ_POOL) private readonly pool: Pool) {}

  /** Up to `limit` calls, newest id first, by spans of days that lie where the account's calls do. */
  async list(accountId: string, { limit, nowMs, ...filter }: ActivityQuery): Promise<ActivityRow[]> {
    const spans = await this.listSpans(accountId, filter, nowMs);
    const found: ActivityRow[] = [];
    for (const span of spans) {
      const page = { ...span, limit: limit - found.length };
      const rows =
        filter.tag === undefined
          ? await this.read<ActivityDbRow>(accountId, activityQuery(accountId, filter, page))
          : await this.listTagged(accountId, { ...filter, tag: filter.tag }, page);
      found.push(...rows.map(toActivityRow));
      if (found.length === limit) break;
    }
    return found;
  }

  private async listSpans(accountId: string, filter: ActivityFilter, nowMs: number): Promise<DaySpan[]> {
    const [hours] = await this.read<{ first: Date | null; last: Date | null }>(accountId, hoursQuery(accountId, filter));
    const lastMs = hours?.last == null ? Number.POSITIVE_INFINITY : hours.last.getTime() + DAY_MS;
    const toMs = Math.min(filter.toMs ?? Number.POSITIVE_INFINITY, lastMs);
    return activitySpans({ ...filter, toMs, firstAtMs: hours?.first?.getTime() ?? null }, nowMs);
  }

  /**
   * First the ids, then their calls: joined in one statement, PostgreSQL plans for every pair of partitions. In transactions of
   * their own: in one, the locks would be taken in another order than the making of partitions takes them.
   */
  private async listTagged(
    accountId: string,
    filter: ActivityFilter & { tag: { name: string; value: string } },
    page: DaySpan & { limit: number },
  ): Promise<ActivityDbRow[]> {
    const found: ActivityDbRow[] = [];
    let before = filter.before;
    for (let batch = page.limit; ; batch = TAGGED_ROWS_MAX) {
      const query = taggedQuery(accountId, { tag: filter.tag, before }, { ...page, limit: batch });
      const ids = (await this.read<{ request_id: string }>(accountId, query)).map((row) => row.request_id);
      if (ids.length > 0) found.push(...(await this.read<ActivityDbRow>(accountId, callsQuery(accountId, filter, ids))));
      if (found.length >= page.limit || ids.length < batch) return found.slice(0, page.limit);
      before = ids.at(-1) ?? null;
    }
  }

  private read<Row extends object>(accountId: string, { text, values }: Query): Promise<Row[]> {
    return withAccount(this.pool, accountId, async (tx) => (await tx.query<Row>(text, values)).rows);
  }
}
