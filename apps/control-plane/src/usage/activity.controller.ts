import { pipeline } from 'node:stream/promises';
import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import {
  ACTIVITY_EXPORT_ROWS_MAX,
  type ActivityDetail,
  type ActivityFilter,
  type ActivityListQuery,
  activityDetailSchema,
  activityFilterSchema,
  activityListQuerySchema,
} from '@tensorloop/contracts/api/activity';
import { type ActivityPage, activityPageSchema } from '@tensorloop/contracts/dashboard-api';
import { Access, RawResponse, ResponseSchema } from '@tensorloop/nest-kit/access';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import { Description, Problems, Summary } from '@tensorloop/nest-kit/operation';
import type { Logger } from '@tensorloop/observability/logger';
import type { Response } from 'express';
import { CurrentPrincipal, Permit, type Principal } from '../access/principal.types.js';
import { CURSORS } from '../pages/cursor.types.js';
import { Slots } from '../slots.js';
import { Traceparent } from '../tracing.types.js';
import { type ActivityParams, activityParamsSchema } from './activity.dto.js';
import { ActivityService } from './activity.service.js';
import { usageProblems } from './usage.errors.js';

const RETRY_HEADERS = { 'retry-after': '5' };
/** What `dataThrough` is elsewhere; the file itself holds nothing but calls. */
const DATA_THROUGH_HEADER = 'x-data-through';
const EXPORT_DESCRIPTION = `The header \`${DATA_THROUGH_HEADER}\` has the instant up to which everything that was booked is in the file, as \`dataThrough\` of the list. At most ${ACTIVITY_EXPORT_ROWS_MAX} calls: of a longer file the last row begins with \`INCOMPLETE\`.`;
const CSV = 'text/csv; charset=utf-8; header=present';
/** Exports at once, of this process and of an account: each keeps metering busy for as long as it lasts. */
const EXPORT_SLOTS = { totalMax: 4, perHolderMax: 2 };
/** A client that takes nothing for so long is gone. */
const EXPORT_STALL_MS = 60_000;
/** One that takes a little now and then has its slot for no longer. */
const EXPORT_MS_MAX = 15 * 60_000;

@Controller('api/activity')
@Access('account')
@Permit('usage:read')
export class ActivityController {
  private readonly slots = new Slots(EXPORT_SLOTS);

  constructor(
    @Inject(ActivityService) private readonly activity: ActivityService,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** One row per call, newest first (spec TL-10). */
  @Get()
  @Summary('List calls, newest first, refused and failed ones too')
  @Problems(usageProblems.time_range_invalid, usageProblems.usage_unavailable)
  @ResponseSchema(activityPageSchema)
  async list(
    @CurrentPrincipal() { accountId }: Principal,
    @Query({ schema: activityListQuerySchema }) query: ActivityListQuery,
    @Traceparent() traceparent: string | undefined,
  ): Promise<ActivityPage> {
    const { cursor, ...filter } = query;
    const before = CURSORS.activity.read(cursor);
    checkRange(filter);
    const page = await this.activity.list({ accountId, traceparent }, { ...filter, before });
    if (page === null) throw usageProblems.usage_unavailable({ headers: RETRY_HEADERS });
    return page;
  }

  /** A file that is not all of it breaks off, or says so in its last row. */
  @Get('export.csv')
  @Summary('Export calls as CSV, newest first')
  @Description(EXPORT_DESCRIPTION)
  @Problems(usageProblems.time_range_invalid, usageProblems.export_busy, usageProblems.usage_unavailable)
  @RawResponse('CSV (RFC 4180), streamed', CSV)
  async exportCsv(
    @CurrentPrincipal() { accountId }: Principal,
    @Query({ schema: activityFilterSchema }) filter: ActivityFilter,
    @Traceparent() traceparent: string | undefined,
    @Res() res: Response,
  ): Promise<void> {
    checkRange(filter);
    const giveBack = this.slots.take(accountId);
    if (giveBack === null) throw usageProblems.export_busy({ headers: RETRY_HEADERS });
    try {
      const file = await this.activity.exportCsv({ accountId, traceparent }, filter);
      if (file === null) throw usageProblems.usage_unavailable({ headers: RETRY_HEADERS });
      res.setHeader('content-type', CSV);
      res.setHeader(DATA_THROUGH_HEADER, file.dataThrough);
      res.setHeader('content-disposition', 'attachment; filename="activity.csv"');
      res.setTimeout(EXPORT_STALL_MS, () => res.destroy());
      const signal = AbortSignal.timeout(EXPORT_MS_MAX);
      await pipeline(file.lines, res, { signal }).catch((err: unknown) =>
        this.logger.warn({ err }, 'an export of calls ended early'),
      );
    } finally {
      giveBack();
    }
  }

  @Get(':requestId')
  @Summary('Show one call with what it was charged, who was asked and how long it took')
  @Problems(usageProblems.call_not_found, usageProblems.usage_unavailable)
  @ResponseSchema(activityDetailSchema)
  async get(
    @CurrentPrincipal() { accountId }: Principal,
    @Param({ schema: activityParamsSchema }) { requestId }: ActivityParams,
    @Traceparent() traceparent: string | undefined,
  ): Promise<ActivityDetail> {
    const call = await this.activity.get({ accountId, traceparent }, requestId);
    if (call === null) throw usageProblems.usage_unavailable({ headers: RETRY_HEADERS });
    if (call === undefined) throw usageProblems.call_not_found();
    return call;
  }
}

function checkRange({ from, to }: Pick<ActivityFilter, 'from' | 'to'>): void {
  if (from === undefined || to === undefined || Date.parse(from) < Date.parse(to)) return;
  throw usageProblems.time_range_invalid({ errors: [{ pointer: '/from', message: '"from" must lie before "to"' }] });
}
