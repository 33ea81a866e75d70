import { Inject, Injectable } from '@nestjs/common';
import type { UsageSeries, UsageSeriesQuery } from '@tensorloop/contracts/api/usage';
import type { UsageSummary } from '@tensorloop/contracts/dashboard-api';
import type { RpcFailure } from '@tensorloop/contracts/rpc';
import type { SeriesGroup, UsageSeriesGetRequest } from '@tensorloop/contracts/usage-series';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { CLOCK, type Clock } from '../clock.js';
import { MeteringClient } from './metering.client.js';
import { NamesRepository } from './names.repository.js';
import { toUsageSeries, toUsageSummary } from './usage.dto.js';
import { seriesDays } from './usage.rules.js';
import type { UsageCaller } from './usage.types.js';

/** What metering finds wrong with a question, by the problem that says so. */
const SERIES_REFUSALS: Record<string, 'days_invalid' | 'time_zone_invalid' | 'filter_unsupported' | undefined> = {
  invalid_range: 'days_invalid',
  invalid_time_zone: 'time_zone_invalid',
  time_zone_unsupported: 'time_zone_invalid',
  filter_unsupported: 'filter_unsupported',
};

export type SeriesResult =
  | { series: UsageSeries | null }
  | { refusal: 'days_invalid' | 'time_zone_invalid' | 'filter_unsupported'; detail: string };

/** What metering answered, or null when it gave no answer. */
@Injectable()
export class UsageService {
  constructor(
    @Inject(MeteringClient) private readonly metering: MeteringClient,
    @Inject(NamesRepository) private readonly names: NamesRepository,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async getSummary({ accountId, traceparent }: UsageCaller, days: { from: string; to: string }): Promise<UsageSummary | null> {
    const reply = await this.metering.getUsageSummary({ accountId, fromDay: days.from, toDay: days.to }, traceparent);
    return reply.ok ? toUsageSummary(days, reply) : this.report(reply);
  }

  /** What is wrong with the question comes back as a refusal. */
  async getSeries({ accountId, traceparent }: UsageCaller, query: UsageSeriesQuery): Promise<SeriesResult> {
    const { keyId = null, model = null, timeZone } = query;
    const days = seriesDays(query, this.clock());
    if (days === null) return { refusal: 'time_zone_invalid', detail: `There is no time zone ${timeZone}.` };
    const request = { accountId, ...query.groupBy, ...days, timeZone, keyId, model };
    const reply = await this.metering.getUsageSeries(request, traceparent);
    if (reply.ok) return { series: toUsageSeries(request, reply, await this.listNames(request, reply.groups)) };
    const refusal = SERIES_REFUSALS[reply.code];
    if (refusal !== undefined) return { refusal, detail: `${reply.message[0]?.toUpperCase()}${reply.message.slice(1)}.` };
    return { series: this.report(reply) };
  }

  private async listNames(
    { accountId, groupBy }: UsageSeriesGetRequest,
    groups: readonly Pick<SeriesGroup, 'group'>[],
  ): Promise<ReadonlyMap<string, string> | null> {
    const ids = groups.flatMap(({ group }) => group ?? []);
    if (groupBy === 'project') return this.names.listProjectNames(accountId, ids);
    if (groupBy !== 'key') return null;
    const keys = await this.names.listKeys(accountId, ids);
    return new Map([...keys].map(([id, { name }]) => [id, name]));
  }

  private report({ code, message }: RpcFailure): null {
    this.logger.warn({ code, detail: message }, 'metering did not answer');
    return null;
  }
}
