import { Injectable } from '@nestjs/common';
import type { Tx } from '../database/database.types.js';
import type { PricedCall } from '../usage/usage.types.js';
import { RollupsRepository } from './rollups.repository.js';
import { type AttributionAddition, toAttributionAdditions, toModelAdditions, toRollupAdditions } from './rollups.rules.js';
import { isOfTag, tagHoursOf, withinBounds } from './tag-values.rules.js';

@Injectable()
export class RollupsService {
  constructor(private readonly rollups: RollupsRepository) {}

  /** Adds calls that were recorded in this transaction to the hourly sums. */
  async add(tx: Tx, calls: readonly PricedCall[]): Promise<void> {
    if (calls.length === 0) return;
    await this.rollups.add(tx, toRollupAdditions(calls));
    await this.rollups.addModels(tx, toModelAdditions(calls));
    const attributions = toAttributionAdditions(calls);
    if (attributions.length > 0) await this.rollups.addAttributions(tx, await this.bounded(tx, attributions));
  }

  /** With no more values of a tag than an hour is to have. Almost always all of them are there already. */
  private async bounded(tx: Tx, additions: AttributionAddition[]): Promise<AttributionAddition[]> {
    const ofTags = additions.filter(isOfTag);
    const fresh = ofTags.length === 0 ? [] : await this.rollups.listNew(tx, ofTags);
    if (fresh.length === 0) return additions;
    // One replica at a time for an account: two would both take the last room.
    await this.rollups.lockTagValues(tx, [...new Set(fresh.map(({ accountId }) => accountId))].sort());
    return withinBounds(additions, await this.rollups.listTagValues(tx, tagHoursOf(fresh)));
  }
}
