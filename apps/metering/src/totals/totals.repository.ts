import { Inject, Injectable } from '@nestjs/common';
import { BALANCE_SCOPE, type Scope, type ScopeTotal } from '@tensorloop/contracts/settle-ack';
import { withAccount } from '@tensorloop/db/metering-pool';
import type { Pool } from 'pg';
import { READ_POOL, type Tx } from '../database/database.types.js';
import type { ScopeAddition } from './totals.rules.js';
import type { AccountScope, AccountScopeTotal } from './totals.types.js';

interface TotalRow {
  account_id: string;
  scope: Scope;
  total_nano_usd: bigint;
  limit_nano_usd: bigint | null;
  version: bigint;
}

/** One version per batch and scope, however many calls of it the batch has. */
const ADD = `
  INSERT INTO metering.scope_totals AS s (account_id, scope, total_nano_usd, last_at, version)
  SELECT account_id, scope, amount, to_timestamp(last_ms / 1000), 1
  FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::float8[]) AS t (account_id, scope, amount, last_ms)
  ON CONFLICT (account_id, scope) DO UPDATE SET
    total_nano_usd = s.total_nano_usd + EXCLUDED.total_nano_usd,
    last_at = greatest(s.last_at, EXCLUDED.last_at),
    version = s.version + 1
  RETURNING account_id, scope, total_nano_usd, limit_nano_usd, version`;

const LIST_MANY = `
  SELECT s.account_id, s.scope, s.total_nano_usd, s.limit_nano_usd, s.version
  FROM unnest($1::uuid[], $2::text[]) AS t (account_id, scope)
  JOIN metering.scope_totals s ON s.account_id = t.account_id AND s.scope = t.scope`;

const LIST_OF_ACCOUNT = `
  SELECT account_id, scope, total_nano_usd, limit_nano_usd, version FROM metering.scope_totals
  WHERE account_id = $1 AND scope = ANY ($2::text[])`;

const LIST_WITH_RECENT = `
  SELECT account_id, scope, total_nano_usd, limit_nano_usd, version FROM metering.scope_totals
  WHERE account_id = $1 AND (scope = ANY ($2::text[]) OR last_at >= now() - interval '2 days')
  ORDER BY (scope = ANY ($2::text[])) DESC, last_at DESC NULLS LAST
  LIMIT $3`;

@Injectable()
export class TotalsRepository {
  constructor(@Inject(READ_POOL) private readonly pool: Pool) {}

  /** For all accounts (role metering_ingest). */
  async add(tx: Tx, additions: readonly ScopeAddition[]): Promise<AccountScopeTotal[]> {
    const values = [
      additions.map((addition) => addition.accountId),
      additions.map((addition) => addition.scope),
      additions.map((addition) => addition.amountNanoUsd.toString()),
      additions.map((addition) => addition.lastAtMs),
    ];
    const { rows } = await tx.query<TotalRow>({ name: 'add_totals', text: ADD, values });
    return rows.map(toAccountScopeTotal);
  }

  /** For all accounts (role metering_ingest). */
  async listMany(tx: Tx, scopes: readonly AccountScope[]): Promise<AccountScopeTotal[]> {
    const { rows } = await tx.query<TotalRow>(LIST_MANY, [
      scopes.map((scope) => scope.accountId),
      scopes.map((scope) => scope.scope),
    ]);
    return rows.map(toAccountScopeTotal);
  }

  /** Of one account, under its row-level security. */
  async list(accountId: string, scopes: readonly Scope[]): Promise<ScopeTotal[]> {
    return withAccount(this.pool, accountId, async (tx) => {
      const { rows } = await tx.query<TotalRow>(LIST_OF_ACCOUNT, [accountId, scopes]);
      return rows.map(toScopeTotal);
    });
  }

  /** As above, and further scopes of the account that were charged in the last two days, up to `limit` in all. */
  async listWithRecent(accountId: string, scopes: readonly Scope[], limit: number): Promise<ScopeTotal[]> {
    return withAccount(this.pool, accountId, async (tx) => {
      const { rows } = await tx.query<TotalRow>(LIST_WITH_RECENT, [accountId, scopes, limit]);
      return rows.map(toScopeTotal);
    });
  }
}

function toScopeTotal(row: TotalRow): ScopeTotal {
  const total = { scope: row.scope, totalNanoUsd: row.total_nano_usd.toString(), version: Number(row.version) };
  // A prepaid account that was granted nothing may spend nothing: that is known, and not unlimited.
  return row.scope === BALANCE_SCOPE ? { ...total, limitNanoUsd: (row.limit_nano_usd ?? 0n).toString() } : total;
}

function toAccountScopeTotal(row: TotalRow): AccountScopeTotal {
  return { accountId: row.account_id, ...toScopeTotal(row) };
}
