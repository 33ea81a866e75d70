import { Injectable } from '@nestjs/common';
import type { Tx } from '../database/database.types.js';
import type { PricedCall } from '../usage/usage.types.js';
import { RollupsRepository } from './rollups.repository.js';
import { type AttributionAddition, toAttributionAdditions, toModelAdditions, toRollupAdditions } from './rollups.rules.js';
import { TagNamesRepository } from './tag-names.repository.js';
import { settleNames } from './tag-names.rules.js';
import { isOfTag, type TagHour, tagHourKey, tagHoursOf, withinBounds } from './tag-values.rules.js';

@Injectable()
export class RollupsService {
  constructor(
    private readonly rollups: RollupsRepository,
    private readonly names: TagNamesRepository,
  ) {}

  /** Adds calls that were recorded in this transaction to the sums by hour and day. */
  async add(tx: Tx, calls: readonly PricedCall[]): Promise<void> {
    if (calls.length === 0) return;
    await this.rollups.add(tx, toRollupAdditions(calls));
    await this.rollups.addModels(tx, toModelAdditions(calls));
    const attributions = toAttributionAdditions(calls);
    if (attributions.length > 0) await this.rollups.addAttributions(tx, await this.bounded(tx, calls, attributions));
  }

  /** With no more names of tags than an account is to have, and no more values of each than an hour is to. Almost always all are there. */
  private async bounded(
    tx: Tx,
    calls: readonly PricedCall[],
    additions: AttributionAddition[],
  ): Promise<AttributionAddition[]> {
    const ofTags = additions.filter(isOfTag);
    const fresh = ofTags.length === 0 ? [] : await this.rollups.listNew(tx, ofTags);
    if (fresh.length === 0) return additions;
    // One replica at a time for an account: two would both take the last room.
    await this.rollups.lockTagValues(tx, [...new Set(fresh.map(({ accountId }) => accountId))].sort());
    const hours = tagHoursOf(fresh);
    const unnamed = await this.listUnnamed(tx, hours);
    const isToldApart = (hour: TagHour) => !unnamed.has(tagHourKey(hour));
    const named = unnamed.size === 0 ? additions : toAttributionAdditions(calls, isToldApart);
    return withinBounds(named, await this.rollups.listTagValues(tx, hours.filter(isToldApart)));
  }

  /** Hours (by tagHourKey) in which a tag counts among the others. Names that are new are given room as long as there is any. */
  private async listUnnamed(tx: Tx, hours: readonly TagHour[]): Promise<ReadonlySet<string>> {
    const found = await this.names.listUnnamed(tx, hours);
    const wanted = found.filter(({ isNew }) => isNew).map(({ hour }) => hour);
    if (wanted.length === 0) return new Set(found.map(({ hour }) => tagHourKey(hour)));
    const rooms = await this.names.listRooms(tx, [...new Set(wanted.map(({ accountId }) => accountId))]);
    const { names, unnamed } = settleNames(wanted, rooms);
    if (names.length > 0) await this.names.add(tx, names);
    for (const { hour, isNew } of found) if (!isNew) unnamed.add(tagHourKey(hour));
    return unnamed;
  }
}
