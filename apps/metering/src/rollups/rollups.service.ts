import { Injectable } from '@nestjs/common';
import type { Tx } from '../database/database.types.js';
import type { PricedCall } from '../usage/usage.types.js';
import { RollupsRepository } from './rollups.repository.js';
import { toRollupAdditions } from './rollups.rules.js';

@Injectable()
export class RollupsService {
  constructor(private readonly rollups: RollupsRepository) {}

  /** Adds calls that were recorded in this transaction to the hourly sums. */
  async add(tx: Tx, calls: readonly PricedCall[]): Promise<void> {
    if (calls.length > 0) await this.rollups.add(tx, toRollupAdditions(calls));
  }
}
