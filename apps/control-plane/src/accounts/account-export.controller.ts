import { pipeline } from 'node:stream/promises';
import { Controller, Get, Inject, Res } from '@nestjs/common';
import { Access, RawResponse } from '@tensorloop/nest-kit/access';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import { Description, Problems, Summary } from '@tensorloop/nest-kit/operation';
import type { Logger } from '@tensorloop/observability/logger';
import type { Response } from 'express';
import { CurrentPrincipal, Permit, type Principal } from '../access/principal.types.js';
import { AccountExportService, EXPORT_DESCRIPTION } from './account-export.service.js';
import { accountProblems } from './accounts.errors.js';

/** Exports of this process at once: each occupies a connection of the database for most of its time. */
const EXPORTS_MAX = 2;
/** A reader who takes nothing for so long has gone. */
const STALL_MS = 30_000;
const RETRY_HEADERS = { 'retry-after': '10' };

@Controller('api/account/export')
@Access('account')
@Permit('account:export')
export class AccountExportController {
  private running = 0;

  constructor(
    @Inject(AccountExportService) private readonly exports: AccountExportService,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Get()
  @Summary('Everything that is held of the account but its usage, as one JSON file')
  @Description(EXPORT_DESCRIPTION)
  @Problems(accountProblems.export_busy)
  @RawResponse('a JSON file, streamed', 'application/json')
  async export(@CurrentPrincipal() { accountId }: Principal, @Res() res: Response): Promise<void> {
    if (this.running >= EXPORTS_MAX) throw accountProblems.export_busy({ headers: RETRY_HEADERS });
    this.running += 1;
    try {
      const pieces = await this.exports.export(accountId);
      res.setHeader('content-type', 'application/json');
      res.setHeader('content-disposition', 'attachment; filename="account.json"');
      res.setTimeout(STALL_MS, () => res.destroy());
      await pipeline(pieces, res).catch((err: unknown) => this.logger.warn({ err }, 'the export of an account ended early'));
    } finally {
      this.running -= 1;
    }
  }
}
