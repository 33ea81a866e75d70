import { randomBytes } from 'node:crypto';
import { migrate } from '@tensorloop/db/migrate';
import { ensureRoles, ROLE_NAMES, type RoleKey, roleUrls } from '@tensorloop/db/roles';
import { type SeedOptions, seed } from '@tensorloop/db/seed';
import pg from 'pg';
import { sharedPostgres } from './shared-postgres.js';

const TEMPLATE = 'tensorloop_template';
/** Serialises the template's making over Jest's workers. */
const TEMPLATE_LOCK = 4_711_000_001;

export interface TestDatabase {
  name: string;
  /** One connection URL per role. */
  urls: Record<RoleKey, string>;
  superuserUrl: string;
  /** Runs SQL as the superuser in this database, past row-level security: for arranging and asserting. */
  query<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  drop(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** Where the seeded models are served. Without it there are no plans, models and prices. */
  seed?: SeedOptions;
}

/** A migrated database of the caller's own on the run's PostgreSQL. Call once per spec file, and `drop` at its end. */
export async function createTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const { superuserUrl, passwords } = sharedPostgres();
  const name = `test_${randomBytes(8).toString('hex')}`;
  await withClient(superuserUrl, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    await makeTemplate(client);
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE} OWNER ${ROLE_NAMES.owner} STRATEGY file_copy`);
    await client.query(`REVOKE ALL ON DATABASE ${name} FROM PUBLIC`);
    const services = Object.values(ROLE_NAMES).filter((role) => role !== ROLE_NAMES.owner);
    await client.query(`GRANT CONNECT ON DATABASE ${name} TO ${services.join(', ')}`);
  });
  const urls = roleUrls(superuserUrl, { database: name, passwords });
  if (options.seed) await seed(urls.owner, options.seed);
  const ownSuperuserUrl = withDatabase(superuserUrl, name);
  return {
    name,
    urls,
    superuserUrl: ownSuperuserUrl,
    query: (sql, values = []) => withClient(ownSuperuserUrl, async (client) => (await client.query(sql, values)).rows),
    drop: () => withClient(superuserUrl, async (client) => void (await client.query(`DROP DATABASE ${name} WITH (FORCE)`))),
  };
}

async function makeTemplate(client: pg.Client): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [TEMPLATE]);
  if (rowCount !== 0) return;
  const { superuserUrl, passwords } = sharedPostgres();
  const draft = `${TEMPLATE}_draft`;
  // Renamed only when complete, so that a migration that fails leaves no template that looks whole.
  await client.query(`DROP DATABASE IF EXISTS ${draft} WITH (FORCE)`);
  const urls = await ensureRoles(superuserUrl, { database: draft, passwords });
  await migrate(urls.owner);
  await client.query(`ALTER DATABASE ${draft} RENAME TO ${TEMPLATE}`);
}

function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.toString();
}

async function withClient<Result>(url: string, use: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
