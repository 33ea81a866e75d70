import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';

/** The same depth from src/ and from dist/. */
const MIGRATIONS_DIR = path.join(import.meta.dirname, '../../../prisma/migrations');
/** Prisma's own session lock, so that this runner and a native `prisma migrate deploy` exclude each other. */
const PRISMA_MIGRATE_LOCK = 72_707_369;
const CONNECT_TIMEOUT_MS = 10_000;
/** How long to wait for another process that is migrating. */
const LOCK_TIMEOUT_MS = 60_000;

/** As Prisma creates it (schema-engine, `imperative_migration_persistence`), so that either tool can continue the other's work. */
const CREATE_HISTORY = `CREATE TABLE IF NOT EXISTS public._prisma_migrations (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)`;

export interface Migration {
  name: string;
  sql: string;
  /** SHA-256 of the file, hex: what Prisma stores. */
  checksum: string;
}

export class MigrationError extends Error {
  override name = 'MigrationError';
}

interface HistoryRow {
  migration_name: string;
  checksum: string;
  finished_at: Date | null;
}

/**
 * Applies the migrations of `prisma/migrations` that the database has not had yet, in order of their names, and returns
 * those names. `ownerUrl` is a direct connection of role tl_owner (a session lock does not survive a pooler that hands
 * out transactions). Stops at a migration that failed earlier, that was edited after it was applied, or that fails now.
 */
export async function migrate(ownerUrl: string, migrations?: readonly Migration[]): Promise<string[]> {
  const wanted = migrations ?? (await readMigrations());
  if (wanted.length === 0) throw new MigrationError(`no migrations found in ${MIGRATIONS_DIR}`);
  const client = new pg.Client({ connectionString: ownerUrl, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // A connection that breaks says so in the query that waits on it; without a listener it would end the process instead.
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await client.query('SELECT pg_advisory_lock($1)', [PRISMA_MIGRATE_LOCK]);
    await client.query('SET lock_timeout = 0');
    await client.query(CREATE_HISTORY);
    const applied = await readHistory(client);
    const pending = wanted.filter((migration) => !isApplied(migration, applied));
    for (const migration of pending) await apply(client, migration);
    return pending.map((migration) => migration.name);
  } finally {
    await client.end();
  }
}

/** Every migration in the repository, oldest first. */
export async function readMigrations(): Promise<Migration[]> {
  const entries = await readdir(MIGRATIONS_DIR, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => {
      const bytes = await readFile(path.join(MIGRATIONS_DIR, name, 'migration.sql'));
      return { name, sql: bytes.toString('utf8'), checksum: createHash('sha256').update(bytes).digest('hex') };
    }),
  );
}

async function readHistory(client: pg.Client): Promise<Map<string, HistoryRow>> {
  const { rows } = await client.query<HistoryRow>(
    'SELECT migration_name, checksum, finished_at FROM public._prisma_migrations WHERE rolled_back_at IS NULL',
  );
  return new Map(rows.map((row) => [row.migration_name, row]));
}

function isApplied(migration: Migration, history: ReadonlyMap<string, HistoryRow>): boolean {
  const row = history.get(migration.name);
  if (row === undefined) return false;
  if (row.finished_at === null) {
    throw new MigrationError(
      `migration ${migration.name} failed earlier; repair the database and mark the row in _prisma_migrations`,
    );
  }
  if (row.checksum !== migration.checksum) {
    throw new MigrationError(`migration ${migration.name} was edited after it was applied; write a new migration instead`);
  }
  return true;
}

/**
 * The file and its row in the history are one transaction: killed anywhere, a migration is applied and known to be, or neither.
 * One that fails leaves a row without an end, as Prisma does, so that nobody goes on before it is repaired.
 */
async function apply(client: pg.Client, migration: Migration): Promise<void> {
  const row = [randomUUID(), migration.checksum, migration.name];
  try {
    await client.query('BEGIN');
    await client.query(migration.sql);
    await client.query(
      `INSERT INTO public._prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, clock_timestamp(), 1)`,
      row,
    );
    await client.query('COMMIT');
  } catch (err) {
    const reason = err instanceof Error ? err.message : String(err);
    // Where the connection is gone there is nobody to tell, and nothing to repair.
    await noteFailure(client, [...row, reason]).catch(() => {});
    throw new MigrationError(`migration ${migration.name} failed: ${reason}`, { cause: err });
  }
}

async function noteFailure(client: pg.Client, row: readonly string[]): Promise<void> {
  await client.query('ROLLBACK');
  await client.query('INSERT INTO public._prisma_migrations (id, checksum, migration_name, logs) VALUES ($1, $2, $3, $4)', [
    ...row,
  ]);
}
