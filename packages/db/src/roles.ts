import pg from 'pg';

/** Database roles and what each may do; `prisma/migrations` grants accordingly. None is a superuser, none bypasses RLS. */
export const ROLE_NAMES = {
  /** Owns database and tables: migrations, seed, operator commands, audit. No service runs as it. */
  owner: 'tl_owner',
  /** Control plane, one account or user at a time. */
  controlApp: 'control_app',
  /** Control plane's relay: keys of all accounts, read only, to Redis. */
  controlRelay: 'control_relay',
  /** Control plane's operators: accounts of everybody, without secrets, and the few columns that operators set. */
  controlOperator: 'control_operator',
  /** Metering's readers, one account at a time. */
  meteringApp: 'metering_app',
  /** Metering's consumer: writes for all accounts. */
  meteringIngest: 'metering_ingest',
} as const;
export type RoleKey = keyof typeof ROLE_NAMES;
const ROLE_KEYS = Object.keys(ROLE_NAMES) as RoleKey[];

export interface EnsureRolesOptions {
  /** Created when missing, owned by tl_owner. */
  database: string;
  passwords: Record<RoleKey, string>;
}

/** Serialises parallel set-ups on one server: roles belong to the whole cluster. Any constant that is ours will do. */
const SETUP_LOCK = 727_073_690;
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Creates what is missing of the six roles and the database, and sets the given passwords. Idempotent.
 * Returns one connection URL per role. Roles are shared by all databases of a server, so calls for several databases of
 * one server must agree on the passwords.
 */
export async function ensureRoles(superuserUrl: string, options: EnsureRolesOptions): Promise<Record<RoleKey, string>> {
  const client = new pg.Client({ connectionString: superuserUrl, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [SETUP_LOCK]);
    for (const key of ROLE_KEYS) await ensureRole(client, ROLE_NAMES[key], options.passwords[key]);
    await ensureDatabase(client, options.database);
  } finally {
    // Ends the session and with it the advisory lock.
    await client.end();
  }
  return roleUrls(superuserUrl, options);
}

/** The URLs that `ensureRoles` returns, without touching the server. */
export function roleUrls(serverUrl: string, options: EnsureRolesOptions): Record<RoleKey, string> {
  const entries = ROLE_KEYS.map((key) => {
    const url = new URL(serverUrl);
    url.username = ROLE_NAMES[key];
    url.password = encodeURIComponent(options.passwords[key]);
    url.pathname = `/${encodeURIComponent(options.database)}`;
    return [key, url.toString()] as const;
  });
  return Object.fromEntries(entries) as Record<RoleKey, string>;
}

async function ensureRole(client: pg.Client, name: string, password: string): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [name]);
  const verb = rowCount === 0 ? 'CREATE' : 'ALTER';
  const attributes = 'LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS';
  await client.query(`${verb} ROLE ${client.escapeIdentifier(name)} ${attributes} PASSWORD ${client.escapeLiteral(password)}`);
}

async function ensureDatabase(client: pg.Client, database: string): Promise<void> {
  const name = client.escapeIdentifier(database);
  const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [database]);
  if (rowCount === 0) await client.query(`CREATE DATABASE ${name} OWNER ${ROLE_NAMES.owner}`);
  // By default every role of the server may connect to every database.
  await client.query(`REVOKE ALL ON DATABASE ${name} FROM PUBLIC`);
  const services = ROLE_KEYS.filter((key) => key !== 'owner').map((key) => ROLE_NAMES[key]);
  await client.query(`GRANT CONNECT ON DATABASE ${name} TO ${services.join(', ')}`);
}
