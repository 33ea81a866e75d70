import { Inject, Injectable } from '@nestjs/common';
import { withTransaction } from '@tensorloop/db/metering-pool';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { CLOCK, type Clock } from '@tensorloop/nest-kit/clock';
import type { Pool } from 'pg';
import { INGEST_POOL, type Tx } from '../database/database.types.js';
import { hashBytes } from './event-hash.rules.js';
import type { Quarantined } from './ingest.types.js';

/** A redelivered message lands once: its bytes and the reason are unique. */
const INSERT_QUARANTINE = `
  INSERT INTO metering.quarantine (id, stream_sequence, reason, detail, request_id, payload, payload_hash)
  SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bytea[])
  ON CONFLICT DO NOTHING`;

/** PostgreSQL's text has no NUL and JSON's has: a detail that quotes one could never be written, and its message never leave. */
const NUL = '\0';
const REPLACEMENT_CHARACTER = '\uFFFD';

@Injectable()
export class IngestRepository {
  constructor(
    @Inject(INGEST_POOL) private readonly pool: Pool,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Runs `work` in one transaction: a batch is committed whole or not at all. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return withTransaction(this.pool, work);
  }

  async quarantine(tx: Tx, messages: readonly Quarantined[]): Promise<void> {
    const hashed = messages.map((quarantined) => ({ ...quarantined, hash: hashBytes(quarantined.message.data) }));
    // One order of locks for all replicas, as everywhere in a booking.
    const rows = hashed.sort((a, b) => a.hash.compare(b.hash));
    await tx.query(INSERT_QUARANTINE, [
      rows.map(() => uuid7(this.clock())),
      rows.map((row) => row.message.streamSequence),
      rows.map((row) => row.reason),
      rows.map((row) => row.detail.replaceAll(NUL, REPLACEMENT_CHARACTER)),
      rows.map((row) => row.requestId),
      rows.map((row) => Buffer.from(row.message.data)),
      rows.map((row) => row.hash),
    ]);
  }
}
