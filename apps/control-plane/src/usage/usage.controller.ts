import { Controller, Get, Inject, Query } from '@nestjs/common';
import {
  type UsageSeries,
  type UsageSeriesQuery,
  usageSeriesQuerySchema,
  usageSeriesSchema,
} from '@tensorloop/contracts/api/usage';
import { type UsageSummary, usageSummaryQuerySchema, usageSummarySchema } from '@tensorloop/contracts/dashboard-api';
import { Access, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import type { z } from 'zod';
import { CurrentPrincipal, Permit, type Principal } from '../access/principal.types.js';
import { CLOCK, type Clock } from '../clock.js';
import { Traceparent } from '../tracing.types.js';
import { usageProblems } from './usage.errors.js';
import { dayRange } from './usage.rules.js';
import { UsageService } from './usage.service.js';

const ONE_FILTER = 'Sums of a project are not kept by tag: ask for one of them.';
const RETRY_HEADERS = { 'retry-after': '5' };

@Controller('api')
@Access('account')
@Permit('usage:read')
export class UsageController {
  constructor(
    @Inject(UsageService) private readonly usage: UsageService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Sums in a time zone, with as many days before beside them. */
  @Get('usage/series')
  @Summary('Sum calls by day, hour, model, key, project or tag, in a time zone')
  @Problems(
    usageProblems.days_invalid,
    usageProblems.time_zone_invalid,
    usageProblems.filter_unsupported,
    usageProblems.usage_unavailable,
  )
  @ResponseSchema(usageSeriesSchema)
  async getSeries(
    @CurrentPrincipal() { accountId }: Principal,
    @Query({ schema: usageSeriesQuerySchema }) query: UsageSeriesQuery,
    @Traceparent() traceparent: string | undefined,
  ): Promise<UsageSeries> {
    const result = await this.usage.getSeries({ accountId, traceparent }, query);
    if ('refusal' in result) throw usageProblems[result.refusal]({ detail: result.detail });
    if (result.series === null) throw usageProblems.usage_unavailable({ headers: RETRY_HEADERS });
    return result.series;
  }

  @Get('usage/summary')
  @Summary('Sum calls of a range of UTC days by day, by model and by key')
  @Problems(usageProblems.days_invalid, usageProblems.filter_unsupported, usageProblems.usage_unavailable)
  @ResponseSchema(usageSummarySchema)
  async getSummary(
    @CurrentPrincipal() { accountId }: Principal,
    @Query({ schema: usageSummaryQuerySchema }) query: z.infer<typeof usageSummaryQuerySchema>,
    @Traceparent() traceparent: string | undefined,
  ): Promise<UsageSummary> {
    const days = dayRange(query, this.clock());
    if (!days.ok) {
      const detail = `This range of days cannot be summed: ${days.message}.`;
      throw usageProblems.days_invalid({ detail, errors: [{ pointer: days.pointer, message: days.message }] });
    }
    const { projectId, tag } = query;
    if (projectId !== undefined && tag !== undefined) throw usageProblems.filter_unsupported({ detail: ONE_FILTER });
    const caller = { accountId, traceparent };
    const summary = await this.usage.getSummary(caller, { from: days.from, to: days.to, projectId, tag });
    if (summary === null) throw usageProblems.usage_unavailable({ headers: RETRY_HEADERS });
    return summary;
  }
}
