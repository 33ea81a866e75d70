import { Inject, Injectable } from '@nestjs/common';
import type { KeyUsageListRequest, KeyUsageRow } from '@tensorloop/contracts/rpc';
import { withAccount } from '@tensorloop/db/metering-pool';
import type { Pool } from 'pg';
import { READ_POOL } from '../database/database.types.js';

/** Windows of 30 days looked back through for a key's latest use: two years, and no key lives longer than one. */
const WINDOWS_LOOKED_MAX = 24;

const LIST = `
  SELECT k.key_id, coalesce(sum(s.total_nano_usd) FILTER (WHERE w.index = k.index), 0)::text AS spent, max(s.last_at) AS last_at
  FROM unnest($2::uuid[], $3::integer[]) AS k (key_id, index)
  CROSS JOIN LATERAL generate_series(greatest(0, k.index - ${WINDOWS_LOOKED_MAX}), k.index) AS w (index)
  LEFT JOIN metering.scope_totals s ON s.account_id = $1 AND s.scope = 'window:' || k.key_id || ':' || w.index
  GROUP BY k.key_id`;

interface KeyUsageDbRow {
  key_id: string;
  spent: string;
  last_at: Date | null;
}

/** Reads under the account's row-level security (role metering_app). */
@Injectable()
export class KeyUsageRepository {
  constructor(@Inject(READ_POOL) private readonly pool: Pool) {}

  async list(accountId: string, keys: KeyUsageListRequest['keys']): Promise<KeyUsageRow[]> {
    return withAccount(this.pool, accountId, async (tx) => {
      const values = [accountId, keys.map((key) => key.keyId), keys.map((key) => key.windowIndex)];
      const { rows } = await tx.query<KeyUsageDbRow>(LIST, values);
      return rows.map((row) => ({
        keyId: row.key_id,
        spentNanoUsd: row.spent,
        lastUsedAtMs: row.last_at?.getTime() ?? null,
      }));
    });
  }
}
