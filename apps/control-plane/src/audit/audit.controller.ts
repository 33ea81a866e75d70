import { pipeline } from 'node:stream/promises';
import { Controller, Get, Inject, Query, Res } from '@nestjs/common';
import {
  type AuditExportQuery,
  type AuditListQuery,
  type AuditPage,
  type AuditVerification,
  type AuditVerificationQuery,
  auditExportQuerySchema,
  auditListQuerySchema,
  auditPageSchema,
  auditVerificationQuerySchema,
  auditVerificationSchema,
} from '@tensorloop/contracts/api/audit';
import { Access, RawResponse, ResponseSchema } from '@tensorloop/nest-kit/access';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import { exhaustedHeaders } from '@tensorloop/nest-kit/rate-limit';
import type { Logger } from '@tensorloop/observability/logger';
import type { Response } from 'express';
import { CurrentPrincipal, Permit, type Principal } from '../access/principal.types.js';
import { CURSORS } from '../pages/cursor.types.js';
import { Slots } from '../slots.js';
import { auditProblems } from './audit.errors.js';
import { AuditService } from './audit.service.js';

const MEDIA_TYPES = { ndjson: 'application/x-ndjson; charset=utf-8', csv: 'text/csv; charset=utf-8' } as const;
/** Exports and verifications at once, of this process and of an account: each is long work for the database. */
const LONG_READ_SLOTS = { totalMax: 4, perHolderMax: 2 };
const BUSY_HEADERS = exhaustedHeaders({ name: 'long-reads', quota: LONG_READ_SLOTS.perHolderMax }, 5_000);
/** A client that takes nothing for so long is gone. */
const EXPORT_STALL_MS = 60_000;
/** One that takes a little now and then has its slot for no longer. */
const EXPORT_MS_MAX = 15 * 60_000;

@Controller('api/audit')
@Access('account')
@Permit('audit:read')
export class AuditController {
  private readonly slots = new Slots(LONG_READ_SLOTS);

  constructor(
    @Inject(AuditService) private readonly audit: AuditService,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Who did what from where, newest first. */
  @Get()
  @Summary('List who did what from where, newest first')
  @ResponseSchema(auditPageSchema)
  list(
    @CurrentPrincipal() { accountId }: Principal,
    @Query({ schema: auditListQuerySchema }) query: AuditListQuery,
  ): Promise<AuditPage> {
    const { cursor, limit, ...filter } = query;
    return this.audit.list(accountId, filter, { before: CURSORS.auditEntries.read(cursor), limit });
  }

  /** All of it, oldest first, with the hashes: what is needed to verify the chain without this installation. */
  @Get('export')
  @Summary('Export the audit log, oldest first, with what is needed to verify it elsewhere')
  @Problems(auditProblems.audit_busy)
  @RawResponse('NDJSON or CSV, streamed', MEDIA_TYPES.ndjson, MEDIA_TYPES.csv)
  async export(
    @CurrentPrincipal() { accountId }: Principal,
    @Query({ schema: auditExportQuerySchema }) query: AuditExportQuery,
    @Res() res: Response,
  ): Promise<void> {
    const { format, ...filter } = query;
    await this.inSlot(accountId, async () => {
      const pieces = await this.audit.export(accountId, filter, format);
      res.setHeader('content-type', MEDIA_TYPES[format]);
      res.setHeader('content-disposition', `attachment; filename="audit-log.${format}"`);
      res.setTimeout(EXPORT_STALL_MS, () => res.destroy());
      // A failure breaks the connection off, so that nobody takes half a log for a whole one.
      const signal = AbortSignal.timeout(EXPORT_MS_MAX);
      await pipeline(pieces, res, { signal }).catch((err: unknown) =>
        this.logger.warn({ err }, 'the export of an audit log ended early'),
      );
    });
  }

  /** Whether the log is as it was written. */
  @Get('verification')
  @Summary('Verify that the audit log is as it was written')
  @Problems(auditProblems.audit_busy)
  @ResponseSchema(auditVerificationSchema)
  verify(
    @CurrentPrincipal() { accountId }: Principal,
    @Query({ schema: auditVerificationQuerySchema }) { sequence, hash }: AuditVerificationQuery,
  ): Promise<AuditVerification> {
    const noted = sequence === undefined || hash === undefined ? null : { sequence, hash };
    return this.inSlot(accountId, () => this.audit.verify(accountId, noted));
  }

  private async inSlot<Result>(accountId: string, work: () => Promise<Result>): Promise<Result> {
    const giveBack = this.slots.take(accountId);
    if (giveBack === null) throw auditProblems.audit_busy({ headers: BUSY_HEADERS });
    try {
      return await work();
    } finally {
      giveBack();
    }
  }
}
