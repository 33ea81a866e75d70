import type { PoolClient } from 'pg';

/** An open transaction. Features write into the one the booking opened, so that a batch is committed whole or not at all. */
export type Tx = Pick<PoolClient, 'query'>;

/** Pool of role metering_ingest: writes for every account. */
export const INGEST_POOL = Symbol('INGEST_POOL');
/** Pool of role metering_app: reads one account at a time under row-level security. */
export const READ_POOL = Symbol('READ_POOL');
