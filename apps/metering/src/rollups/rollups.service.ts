import { Injectable } from '@nestjs/common';
import type { Tx } from '../database/database.types.js';
import type { PricedCall } from '../usage/usage.types.js';
import { RollupsRepository } from './rollups.repository.js';
import { toAttributionAdditions, toModelAdditions, toRollupAdditions } from './rollups.rules.js';

@Injectable()
export class RollupsService {
  constructor(private readonly rollups: RollupsRepository) {}

  /** Adds calls that were recorded in this transaction to the hourly sums. */
  async add(tx: Tx, calls: readonly PricedCall[]): Promise<void> {
    if (calls.length === 0) return;
    await this.rollups.add(tx, toRollupAdditions(calls));
    await this.rollups.addModels(tx, toModelAdditions(calls));
    const attributions = toAttributionAdditions(calls);
    if (attributions.length > 0) await this.rollups.addAttributions(tx, attributions);
  }
}
