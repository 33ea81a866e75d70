import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { INGEST_POOL } from '../database/database.types.js';

@Injectable()
export class PartitionsRepository {
  constructor(@Inject(INGEST_POOL) private readonly pool: Pool) {}

  /** Creates what is missing of one UTC day ("2026-11-21"). Safe to race; a transaction of its own, since it locks parents. */
  async ensure(day: string): Promise<void> {
    await this.pool.query('SELECT metering.ensure_usage_partitions($1::date)', [day]);
  }
}
