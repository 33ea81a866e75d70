import { Controller, Get, Inject, Query } from '@nestjs/common';
import {
  type ActivityPage,
  type ActivityQuery,
  activityPageSchema,
  activityQuerySchema,
  type UsageSummary,
  usageSummaryQuerySchema,
  usageSummarySchema,
} from '@tensorloop/contracts/dashboard-api';
import { Access, ResponseSchema } from '@tensorloop/nest-kit/access';
import type { z } from 'zod';
import { CurrentPrincipal, Permit, type Principal } from '../access/principal.types.js';
import { CLOCK, type Clock } from '../clock.js';
import { Traceparent } from '../tracing.types.js';
import { usageProblems } from './usage.errors.js';
import { dayRange, parseCursor } from './usage.rules.js';
import { UsageService } from './usage.service.js';

const RETRY_HEADERS = { 'retry-after': '5' };

@Controller('api')
@Access('account')
@Permit('usage:read')
export class UsageController {
  constructor(
    @Inject(UsageService) private readonly usage: UsageService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** One row per call, newest first (spec TL-10). */
  @Get('activity')
  @ResponseSchema(activityPageSchema)
  async listActivity(
    @CurrentPrincipal() { accountId }: Principal,
    @Query({ schema: activityQuerySchema }) query: ActivityQuery,
    @Traceparent() traceparent: string | undefined,
  ): Promise<ActivityPage> {
    const { cursor, ...filter } = query;
    const before = cursor === undefined ? null : parseCursor(cursor);
    if (cursor !== undefined && before === null) throw usageProblems.cursor_invalid();
    const page = await this.usage.listActivity({ accountId, traceparent }, { ...filter, before });
    if (page === null) throw usageProblems.usage_unavailable({ headers: RETRY_HEADERS });
    return page;
  }

  @Get('usage/summary')
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
    const summary = await this.usage.getSummary({ accountId, traceparent }, { from: days.from, to: days.to });
    if (summary === null) throw usageProblems.usage_unavailable({ headers: RETRY_HEADERS });
    return summary;
  }
}
