import { Inject, Injectable } from '@nestjs/common';
import type { UsageSeries, UsageSeriesQuery } from '@tensorloop/contracts/api/usage';
import type { UsageSummary } from '@tensorloop/contracts/dashboard-api';
import type { RpcFailure } from '@tensorloop/contracts/rpc';
import type {
  SeriesGroup,
  SeriesGrouping,
  UsageSeriesGetReply,
  UsageSeriesGetRequest,
} from '@tensorloop/contracts/usage-series';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { CLOCK, type Clock } from '../clock.js';
import { MeteringClient } from './metering.client.js';
import { NamesRepository } from './names.repository.js';
import { toStacks } from './stacks.dto.js';
import { toAttributedSummary, toUsageSeries, toUsageSummary } from './usage.dto.js';
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

type SeriesSummed = Extract<UsageSeriesGetReply, { ok: true }>;
type Attributed = Pick<UsageSeriesQuery, 'projectId' | 'tag'>;
export type SummaryQuestion = Attributed & { from: string; to: string };

/** A metering of the release before leaves out what it does not know, and sums what nobody asked for. */
const NOT_UNDERSTOOD: RpcFailure = { ok: false, code: 'not_understood', message: 'metering does not know these filters yet' };

/** What metering answered, or null when it gave no answer. */
@Injectable()
export class UsageService {
  constructor(
    @Inject(MeteringClient) private readonly metering: MeteringClient,
    @Inject(NamesRepository) private readonly names: NamesRepository,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async getSummary(caller: UsageCaller, { projectId, tag, ...days }: SummaryQuestion): Promise<UsageSummary | null> {
    const { accountId, traceparent } = caller;
    if (projectId !== undefined || tag !== undefined) return this.getAttributedSummary(caller, { ...days, projectId, tag });
    const reply = await this.metering.getUsageSummary({ accountId, fromDay: days.from, toDay: days.to }, traceparent);
    return reply.ok ? toUsageSummary(days, reply) : this.report(reply);
  }

  /** From the sums of projects and tags, which are kept by time: those of its days. */
  private async getAttributedSummary(caller: UsageCaller, question: SummaryQuestion): Promise<UsageSummary | null> {
    const { accountId, traceparent } = caller;
    const { from, to, projectId, tag } = question;
    const days = { groupBy: 'day', tagName: null, fromDay: from, toDay: to, timeZone: 'UTC' } as const;
    const request = { accountId, ...days, keyId: null, model: null, ...attribution({ projectId, tag }) };
    const reply = await this.metering.getUsageSeries(request, traceparent);
    if (!reply.ok) return this.report(reply);
    return isAnswered(request, reply) ? toAttributedSummary({ from, to }, reply) : this.report(NOT_UNDERSTOOD);
  }

  /** What is wrong with the question comes back as a refusal. */
  async getSeries({ accountId, traceparent }: UsageCaller, query: UsageSeriesQuery): Promise<SeriesResult> {
    const { keyId = null, model = null, timeZone } = query;
    const days = seriesDays(query, this.clock());
    if (days === null) return { refusal: 'time_zone_invalid', detail: `There is no time zone ${timeZone}.` };
    const { stackBy } = query;
    const filters = { keyId, model, ...attribution(query), ...(stackBy === undefined ? {} : { stackBy }) };
    const request = { accountId, ...query.groupBy, ...days, timeZone, ...filters };
    const reply = await this.metering.getUsageSeries(request, traceparent);
    if (reply.ok && !isAnswered(request, reply)) return { series: this.report(NOT_UNDERSTOOD) };
    if (reply.ok) return { series: await this.toSeries(request, reply) };
    const refusal = SERIES_REFUSALS[reply.code];
    if (refusal !== undefined) return { refusal, detail: `${reply.message[0]?.toUpperCase()}${reply.message.slice(1)}.` };
    return { series: this.report(reply) };
  }

  private async toSeries(request: UsageSeriesGetRequest, reply: SeriesSummed): Promise<UsageSeries> {
    const { accountId, groupBy, stackBy } = request;
    const series = toUsageSeries(request, reply, await this.listNames(accountId, groupBy, reply.groups));
    const { stacks } = reply;
    if (stackBy === undefined || stacks === undefined) return series;
    return { ...series, stacks: toStacks(stackBy, stacks, await this.listNames(accountId, stackBy.groupBy, stacks.series)) };
  }

  private async listNames(
    accountId: string,
    groupBy: SeriesGrouping,
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

function attribution({ projectId, tag }: Attributed): Pick<UsageSeriesGetRequest, 'projectId' | 'tag'> {
  return { ...(projectId === undefined ? {} : { projectId }), ...(tag === undefined ? {} : { tag }) };
}

function isAnswered({ projectId, tag, stackBy }: UsageSeriesGetRequest, reply: SeriesSummed): boolean {
  const isFiltered = projectId !== undefined || tag !== undefined;
  return (!isFiltered || reply.isAttributed === true) && (stackBy === undefined || reply.stacks !== undefined);
}
