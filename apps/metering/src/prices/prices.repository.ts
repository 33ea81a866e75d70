import { Inject, Injectable } from '@nestjs/common';
import { type PriceVersion, priceVersionSchema } from '@tensorloop/contracts/price-book';
import type { Pool } from 'pg';
import { READ_POOL } from '../database/database.types.js';

interface PriceRow {
  id: string;
  model: string;
  effective_from: Date;
  effective_to: Date | null;
  rates: unknown;
}

/** Prices are the same for every account: no account id. */
@Injectable()
export class PricesRepository {
  constructor(@Inject(READ_POOL) private readonly pool: Pool) {}

  /** Every version there ever was, in a fixed order. Throws when a row does not fit the contract: never a guessed price. */
  async list(): Promise<PriceVersion[]> {
    const { rows } = await this.pool.query<PriceRow>(
      'SELECT id, model, effective_from, effective_to, rates FROM metering.price_versions ORDER BY model, effective_from, id',
    );
    return rows.map((row) =>
      priceVersionSchema.parse({
        id: row.id,
        model: row.model,
        effectiveFromMs: row.effective_from.getTime(),
        effectiveToMs: row.effective_to?.getTime() ?? null,
        rates: row.rates,
      }),
    );
  }
}
