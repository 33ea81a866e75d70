import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { READ_POOL } from '../database/database.types.js';
import type { PriceRow } from './price-row.rules.js';

/** Prices are the same for every account: no account id. */
@Injectable()
export class PricesRepository {
  constructor(@Inject(READ_POOL) private readonly pool: Pool) {}

  /** Every version there ever was, in a fixed order. */
  async list(): Promise<PriceRow[]> {
    const { rows } = await this.pool.query<PriceRow>(
      'SELECT id, model, effective_from, effective_to, rates FROM metering.price_versions ORDER BY model, effective_from, id',
    );
    return rows;
  }
}
