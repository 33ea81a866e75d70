import { pipeline } from 'node:stream/promises';
import { Controller, Get, Inject, Res } from '@nestjs/common';
import { Access, RawResponse } from '@tensorloop/nest-kit/access';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import { Description, Problems, Summary } from '@tensorloop/nest-kit/operation';
import type { Logger } from '@tensorloop/observability/logger';
import type { Response } from 'express';
import { CurrentPrincipal, Permit, type Principal } from '../access/principal.types.js';
import { Slots } from '../slots.js';
import { AccountExportService, EXPORT_DESCRIPTION } from './account-export.service.js';
import { accountProblems } from './accounts.errors.js';

/** Exports at once, of this process and of an account: each occupies a connection of the database for most of its time. */
const EXPORT_SLOTS = { totalMax: 4, perHolderMax: 1 };
/** A reader who takes nothing for so long has gone. */
const STALL_MS = 30_000;
/** One who takes a little now and then has the slot for no longer. */
const EXPORT_MS_MAX = 15 * 60_000;
const RETRY_HEADERS = { 'retry-after': '10' };

@Controller('api/account/export')
@Access('account')
@Permit('account:export')
export class AccountExportController {
  private readonly slots = new Slots(EXPORT_SLOTS);

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
    const giveBack = this.slots.take(accountId);
    if (giveBack === null) throw accountProblems.export_busy({ headers: RETRY_HEADERS });
    try {
      const pieces = await this.exports.export(accountId);
      res.setHeader('content-type', 'application/json');
      res.setHeader('content-disposition', 'attachment; filename="account.json"');
      res.setTimeout(STALL_MS, () => res.destroy());
      const signal = AbortSignal.timeout(EXPORT_MS_MAX);
      await pipeline(pieces, res, { signal }).catch((err: unknown) =>
        this.logger.warn({ err }, 'the export of an account ended early'),
      );
    } finally {
      giveBack();
    }
  }
}
