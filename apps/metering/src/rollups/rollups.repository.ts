import { Injectable } from '@nestjs/common';
import type { Tx } from '../database/database.types.js';
import type { RollupAddition } from './rollups.rules.js';

const MS_PER_SECOND = 1_000;

const ADD = `
  INSERT INTO metering.hourly_rollups AS r
    (account_id, hour, key_id, model, requests, input_tokens, output_tokens, charge_nano_usd)
  SELECT account_id, to_timestamp(hour), key_id, model, requests, input_tokens, output_tokens, charge_nano_usd
  FROM unnest($1::uuid[], $2::float8[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
    AS t (account_id, hour, key_id, model, requests, input_tokens, output_tokens, charge_nano_usd)
  ON CONFLICT (account_id, hour, key_id, model) DO UPDATE SET
    requests = r.requests + EXCLUDED.requests,
    input_tokens = r.input_tokens + EXCLUDED.input_tokens,
    output_tokens = r.output_tokens + EXCLUDED.output_tokens,
    charge_nano_usd = r.charge_nano_usd + EXCLUDED.charge_nano_usd`;

/** Writes for all accounts (role metering_ingest), hence no account id as first argument. */
@Injectable()
export class RollupsRepository {
  async add(tx: Tx, additions: readonly RollupAddition[]): Promise<void> {
    const values = [
      additions.map((addition) => addition.accountId),
      additions.map((addition) => addition.hourMs / MS_PER_SECOND),
      additions.map((addition) => addition.keyId),
      additions.map((addition) => addition.model),
      additions.map((addition) => addition.requests),
      additions.map((addition) => addition.inputTokens),
      additions.map((addition) => addition.outputTokens),
      additions.map((addition) => addition.chargeNanoUsd.toString()),
    ];
    await tx.query({ name: 'add_rollups', text: ADD, values });
  }
}
