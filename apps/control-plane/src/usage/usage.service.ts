import { Inject, Injectable } from '@nestjs/common';
import type { ActivityPage, ActivityQuery, UsageSummary } from '@tensorloop/contracts/dashboard-api';
import type { RpcFailure } from '@tensorloop/contracts/rpc';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { MeteringClient } from './metering.client.js';
import { toActivityPage, toRefusalsPage, toUsageSummary } from './usage.dto.js';
import type { UsageCaller } from './usage.types.js';

/** What metering answered, or null when it gave no answer. */
@Injectable()
export class UsageService {
  constructor(
    @Inject(MeteringClient) private readonly metering: MeteringClient,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async listActivity(
    { accountId, traceparent }: UsageCaller,
    query: Omit<ActivityQuery, 'cursor'> & { before: string | null },
  ): Promise<ActivityPage | null> {
    const { before, limit, keyId = null, model = null, status } = query;
    const request = { accountId, before, limit, keyId, model };
    if (status === 'refused') {
      const refusals = await this.metering.listRefusals(request, traceparent);
      return refusals.ok ? toRefusalsPage(refusals) : this.report(refusals);
    }
    const reply = await this.metering.listActivity(request, traceparent);
    return reply.ok ? toActivityPage(reply) : this.report(reply);
  }

  async getSummary({ accountId, traceparent }: UsageCaller, days: { from: string; to: string }): Promise<UsageSummary | null> {
    const reply = await this.metering.getUsageSummary({ accountId, fromDay: days.from, toDay: days.to }, traceparent);
    return reply.ok ? toUsageSummary(days, reply) : this.report(reply);
  }

  private report({ code, message }: RpcFailure): null {
    this.logger.warn({ code, detail: message }, 'metering did not answer');
    return null;
  }
}
