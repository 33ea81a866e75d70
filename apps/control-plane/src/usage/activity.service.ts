import { Inject, Injectable } from '@nestjs/common';
import { ACTIVITY_EXPORT_ROWS_MAX, type ActivityDetail, type ActivityFilter } from '@tensorloop/contracts/api/activity';
import type { ActivityPage } from '@tensorloop/contracts/dashboard-api';
import {
  ACTIVITY_PAGE_MAX,
  type ActivityListRequest,
  type RefusalsListRequest,
  type RpcFailure,
} from '@tensorloop/contracts/rpc';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { toActivityDetail } from './activity.dto.js';
import { csvHeader, csvIncomplete, csvLine } from './activity-csv.rules.js';
import { MeteringClient } from './metering.client.js';
import { NamesRepository } from './names.repository.js';
import { mergePages, toActivityPage, toRefusalsPage } from './usage.dto.js';
import type { UsageCaller } from './usage.types.js';

type ActivityItem = ActivityPage['data'][number];

export interface ActivityPageQuery extends ActivityFilter {
  before: string | null;
  limit: number;
}

/** A CSV file that is being written, and up to when every call is in it. */
export interface ActivityFile {
  dataThrough: string;
  lines: AsyncGenerator<string>;
}

/** What metering answered, or null when it gave no answer. */
@Injectable()
export class ActivityService {
  constructor(
    @Inject(MeteringClient) private readonly metering: MeteringClient,
    @Inject(NamesRepository) private readonly names: NamesRepository,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async list(caller: UsageCaller, query: ActivityPageQuery): Promise<ActivityPage | null> {
    const page = await this.readPage(caller, query);
    return page === null ? null : { ...page, data: await this.withKeys(caller.accountId, page.data) };
  }

  /** Without the names of keys. */
  private async readPage({ accountId, traceparent }: UsageCaller, query: ActivityPageQuery): Promise<ActivityPage | null> {
    const { status, before, limit, keyId = null, model = null, from, to, ...others } = query;
    const range = { ...toMs('fromMs', from), ...toMs('toMs', to) };
    const request = { accountId, before, limit, keyId, model, ...range, ...others };
    if (status === 'refused') return this.readRefused(request, traceparent);
    if (status !== 'all') return this.readAdmitted({ ...request, ...(status === 'admitted' ? {} : { status }) }, traceparent);
    const pages = await Promise.all([this.readAdmitted(request, traceparent), this.readRefused(request, traceparent)]);
    const [admitted, refused] = pages;
    return admitted === null || refused === null ? null : mergePages([admitted, refused], limit);
  }

  private async readAdmitted(request: ActivityListRequest, traceparent: string | undefined): Promise<ActivityPage | null> {
    const reply = await this.metering.listActivity(request, traceparent);
    return reply.ok ? toActivityPage(reply) : this.report(reply);
  }

  private async readRefused(request: RefusalsListRequest, traceparent: string | undefined): Promise<ActivityPage | null> {
    const reply = await this.metering.listRefusals(request, traceparent);
    return reply.ok ? toRefusalsPage(reply) : this.report(reply);
  }

  /** Undefined = the account has no such call, admitted or refused. */
  async get({ accountId, traceparent }: UsageCaller, requestId: string): Promise<ActivityDetail | undefined | null> {
    const reply = await this.metering.getRequest({ accountId, requestId }, traceparent);
    if (!reply.ok) return this.report(reply);
    const dataThrough = toDataThrough(reply.dataThroughMs);
    if (reply.found) return (await this.withKeys(accountId, [{ ...toActivityDetail(reply.request), dataThrough }]))[0];
    const refused = await this.list({ accountId, traceparent }, { status: 'refused', before: null, limit: 1, requestId });
    if (refused === null) return null;
    const [item] = refused.data;
    return item === undefined
      ? undefined
      : { ...item, completedAt: null, lines: [], attempts: [], dataThrough: refused.dataThrough };
  }

  /**
   * The lines of a CSV file, a page at a time and only as fast as they are taken. Null when not even the first page can be had;
   * throws when a later one cannot, so that the file breaks off instead of ending.
   */
  async exportCsv(caller: UsageCaller, filter: ActivityFilter): Promise<ActivityFile | null> {
    const first = await this.readPage(caller, { ...filter, before: null, limit: ACTIVITY_PAGE_MAX });
    // Of the first page: what is booked while the others are read may be in them, and need not.
    return first === null ? null : { dataThrough: first.dataThrough, lines: this.exportPages(caller, filter, first) };
  }

  private async *exportPages(caller: UsageCaller, filter: ActivityFilter, first: ActivityPage): AsyncGenerator<string> {
    yield csvHeader();
    let rows = 0;
    for (let page = first; ; ) {
      yield page.data.map(csvLine).join('');
      rows += page.data.length;
      const before = page.data.at(-1)?.requestId;
      if (!page.hasMore || before === undefined) return;
      if (rows >= ACTIVITY_EXPORT_ROWS_MAX) {
        yield csvIncomplete(
          `a file holds ${ACTIVITY_EXPORT_ROWS_MAX} calls; ask for an earlier "to" to have those before ${before}`,
        );
        return;
      }
      const next = await this.readPage(caller, { ...filter, before, limit: ACTIVITY_PAGE_MAX });
      if (next === null) throw new Error('metering does not answer any more');
      page = next;
    }
  }

  private async withKeys<Item extends ActivityItem>(accountId: string, items: readonly Item[]): Promise<Item[]> {
    const keys = await this.names.listKeys(
      accountId,
      items.map(({ keyId }) => keyId),
    );
    return items.map((item) => ({ ...item, key: keys.get(item.keyId) ?? null }));
  }

  private report({ code, message }: RpcFailure): null {
    this.logger.warn({ code, detail: message }, 'metering did not answer');
    return null;
  }
}

/** A metering of the release before does not say: then nothing is promised. */
function toDataThrough(ms = 0): string {
  return new Date(ms).toISOString();
}

function toMs<Name extends string>(name: Name, instant: string | undefined): Partial<Record<Name, number>> {
  return instant === undefined ? {} : ({ [name]: Date.parse(instant) } as Record<Name, number>);
}
