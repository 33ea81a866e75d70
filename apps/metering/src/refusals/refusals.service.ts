import { Inject, Injectable } from '@nestjs/common';
import type { RequestRefused } from '@tensorloop/contracts/request-refused';
import type { RefusalsListReply, RefusalsListRequest } from '@tensorloop/contracts/rpc';
import { DAY_MS } from '@tensorloop/kernel/budget-window';
import { CLOCK, type Clock } from '@tensorloop/nest-kit/clock';
import { LiveService } from '../live/live.service.js';
import { RefusalsRepository } from './refusals.repository.js';

/** Refusals are looked at while somebody wonders why a call failed. */
export const KEPT_DAYS = 30;
/** Rows of one deletion: a table that was neglected is emptied in steps. */
export const DELETE_ROWS_MAX = 10_000;

/** SQLSTATE classes of what is wrong with the data itself: "data exception", "integrity constraint violation". */
const DATA_ERROR = /^2[23]/;

function isDataError(err: unknown): boolean {
  return err instanceof Error && 'code' in err && DATA_ERROR.test(String(err.code));
}

@Injectable()
export class RefusalsService {
  constructor(
    private readonly refusals: RefusalsRepository,
    private readonly live: LiveService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * Writes all of a message down. One refusal that the database does not take costs no other account its own: they are then
   * written one by one, as many as a message may hold. Returns how many were left out.
   */
  async record(refused: RequestRefused): Promise<number> {
    const leftOut = await this.write(refused);
    this.live.note(new Set(refused.refusals.map(({ accountId }) => accountId)), 'activity');
    return leftOut;
  }

  private async write(refused: RequestRefused): Promise<number> {
    if (await this.hasTaken(refused)) return 0;
    let leftOut = 0;
    for (const refusal of refused.refusals) {
      if (!(await this.hasTaken({ ...refused, refusals: [refusal] }))) leftOut += 1;
    }
    return leftOut;
  }

  private async hasTaken(refused: RequestRefused): Promise<boolean> {
    try {
      await this.refusals.add(refused);
      return true;
    } catch (err) {
      if (isDataError(err)) return false;
      throw err;
    }
  }

  /** Best effort has no freshness to promise: the answer is what had arrived when it was given. */
  async list({ accountId, limit, ...filter }: RefusalsListRequest): Promise<RefusalsListReply> {
    const dataThroughMs = this.clock();
    // One row more than asked for tells whether there is another page.
    const rows = await this.refusals.list(accountId, { ...filter, limit: limit + 1 });
    return { ok: true, rows: rows.slice(0, limit), hasMore: rows.length > limit, dataThroughMs };
  }

  /** Removes what is older than KEPT_DAYS, DELETE_ROWS_MAX at a time. Returns how many rows went. */
  async forgetOld(): Promise<number> {
    let gone = 0;
    for (;;) {
      const deleted = await this.refusals.deleteOld(this.clock() - KEPT_DAYS * DAY_MS, DELETE_ROWS_MAX);
      gone += deleted;
      if (deleted < DELETE_ROWS_MAX) return gone;
    }
  }
}
