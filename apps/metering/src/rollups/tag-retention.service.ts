import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '@tensorloop/nest-kit/clock';
import { TagRetentionRepository } from './tag-retention.repository.js';
import { tagSumsKeptFrom } from './tag-retention.rules.js';

/** Names looked at in one statement, and sums deleted by one: none keeps a booking waiting. */
const NAMES_AT_ONCE = 500;
const DELETE_ROWS_MAX = 5_000;
const BEFORE_ALL = { accountId: '00000000-0000-0000-0000-000000000000', name: '' };

export interface Forgotten {
  sums: number;
  names: number;
}

@Injectable()
export class TagRetentionService {
  constructor(
    private readonly retention: TagRetentionRepository,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * Removes sums of tags of more than TAG_SUMS_KEPT_DAYS ago, and names that have none left, name by name over all accounts. May run
   * in several replicas at once. `isOver` is asked before every statement.
   */
  async forgetOld(isOver: () => boolean = () => false): Promise<Forgotten> {
    const beforeMs = tagSumsKeptFrom(this.clock());
    const forgotten = { sums: 0, names: 0 };
    for (let after = BEFORE_ALL; !isOver(); ) {
      const names = await this.retention.listNames(after, NAMES_AT_ONCE);
      for (let deleted = DELETE_ROWS_MAX; deleted === DELETE_ROWS_MAX && !isOver(); ) {
        deleted = await this.retention.deleteOld(names, beforeMs, DELETE_ROWS_MAX);
        forgotten.sums += deleted;
      }
      if (!isOver()) forgotten.names += await this.retention.freeNames(names);
      const last = names.at(-1);
      if (last === undefined || names.length < NAMES_AT_ONCE) break;
      after = last;
    }
    return forgotten;
  }
}
