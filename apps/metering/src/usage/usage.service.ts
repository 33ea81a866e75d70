import { Inject, Injectable } from '@nestjs/common';
import type {
  ActivityListReply,
  ActivityListRequest,
  KeyUsageListReply,
  KeyUsageListRequest,
  RequestGetReply,
  RequestGetRequest,
  UsageSummaryGetReply,
  UsageSummaryGetRequest,
} from '@tensorloop/contracts/rpc';
import { CLOCK, type Clock } from '@tensorloop/nest-kit/clock';
import { ActivityRepository } from './activity.repository.js';
import { FreshnessService } from './freshness.service.js';
import { KeyUsageRepository } from './key-usage.repository.js';
import { UsageRepository } from './usage.repository.js';
import { checkRange, NO_USAGE } from './usage.rules.js';

@Injectable()
export class UsageService {
  constructor(
    private readonly usage: UsageRepository,
    private readonly activity: ActivityRepository,
    private readonly keyUsage: KeyUsageRepository,
    private readonly freshness: FreshnessService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async listActivity({ accountId, limit, ...filter }: ActivityListRequest): Promise<ActivityListReply> {
    // Freshness is read first: what it promises must be in the rows that are read after it.
    const dataThroughMs = await this.freshness.getDataThroughMs();
    // One row more than asked for tells whether there is another page.
    const rows = await this.activity.list(accountId, {
      ...filter,
      limit: limit + 1,
      nowMs: this.clock(),
    });
    return { ok: true, rows: rows.slice(0, limit), hasMore: rows.length > limit, dataThroughMs };
  }

  /** A call of another account is not found, like one that does not exist. */
  async getRequest({ accountId, requestId }: RequestGetRequest): Promise<RequestGetReply> {
    const dataThroughMs = await this.freshness.getDataThroughMs();
    const request = await this.usage.findRequest(accountId, requestId);
    return request === null ? { ok: true, found: false, dataThroughMs } : { ok: true, found: true, request, dataThroughMs };
  }

  async listKeyUsage({ accountId, keys }: KeyUsageListRequest): Promise<KeyUsageListReply> {
    const dataThroughMs = await this.freshness.getDataThroughMs();
    return { ok: true, keys: await this.keyUsage.list(accountId, keys), dataThroughMs };
  }

  async getSummary({ accountId, fromDay, toDay }: UsageSummaryGetRequest): Promise<UsageSummaryGetReply> {
    const problem = checkRange({ fromDay, toDay });
    if (problem !== null) return { ok: false, code: 'invalid_range', message: problem };
    const dataThroughMs = await this.freshness.getDataThroughMs();
    const { total, byDay, byModel, byKey } = await this.usage.getSummary(accountId, { fromDay, toDay });
    return { ok: true, total: total ?? NO_USAGE, byDay, byModel, byKey, dataThroughMs };
  }
}
