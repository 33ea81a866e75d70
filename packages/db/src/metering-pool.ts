import pg from 'pg';

/** Upper bounds of one metering process; raise them together with the server's max_connections. */
const CONNECTIONS_MAX = 10;
const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 30_000;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 30_000;
/**
 * Beyond the server's own timeout: a server that vanished without a word (power, a cut cable, a failed-over address) cancels
 * nothing and closes nothing, and a query would wait for its answer for ever.
 */
const SILENCE_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 5_000;
const KEEP_ALIVE_DELAY_MS = 10_000;

const INT8_OID = 20;
const DATE_OID = 1082;

/** Per pool and not in pg's global registry, so that no other user of pg in the process is changed. */
const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    // Amounts exceed 2^53.
    if (oid === INT8_OID && format !== 'binary') return (text: string) => BigInt(text);
    // pg would make a Date at local midnight of a day that has no time zone.
    if (oid === DATE_OID && format !== 'binary') return (text: string) => text;
    return pg.types.getTypeParser(oid, format as 'text');
  },
} as pg.CustomTypesConfig;

export interface MeteringPoolOptions {
  /** Shown in pg_stat_activity. */
  name: string;
  connectionsMax?: number;
  /** How long a query waits for a server that says nothing at all. */
  silenceTimeoutMs?: number;
  /** Told of an idle connection that broke; the pool has dropped it already. */
  onIdleError?: (err: Error) => void;
}

/** A pool for one of metering's roles. `bigint` columns arrive as BigInt, `date` as "2026-11-21", `numeric` as text. */
export function createMeteringPool(url: string, options: MeteringPoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: options.name,
    max: options.connectionsMax ?? CONNECTIONS_MAX,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    query_timeout: options.silenceTimeoutMs ?? SILENCE_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    types,
  });
  // Without a listener a server that restarts would end the process by way of its idle connections.
  pool.on('error', (err) => options.onIdleError?.(err));
  return pool;
}

/** pg's own words for a `query_timeout`; the error has no code. */
function isSilence(err: unknown): err is Error {
  return err instanceof Error && err.message === 'Query read timeout';
}

/**
 * A prepared statement that a migration changed the meaning of ("cached plan must not change result type"), that a pooler
 * lost, or whose name another client of a pooler took on the same server connection. It would fail on this connection for ever.
 */
const STALE_STATEMENT_CODES = new Set(['0A000', '26000', '42P05']);

function hasStaleStatement(err: unknown): err is Error {
  return err instanceof Error && 'code' in err && STALE_STATEMENT_CODES.has(String(err.code));
}

/** Runs `work` in a transaction; rolls back when it throws. A connection that cannot even roll back is thrown away. */
export async function withTransaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  const markBroken = (err: Error) => {
    broken = err;
  };
  // A connection may also break between two queries, when no promise is there to reject; pg would end the process then.
  client.on('error', markBroken);
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (err) {
    // Nobody answers on it: asking for a rollback would only wait as long again. The server ends what it lost sight of.
    if (isSilence(err)) broken = err;
    else await client.query('ROLLBACK').catch(markBroken);
    if (hasStaleStatement(err)) broken = err;
    throw err;
  } finally {
    client.off('error', markBroken);
    client.release(broken);
  }
}

/** As `withTransaction`, seeing the rows of one account only (row-level security of role metering_app). */
export function withAccount<T>(pool: pg.Pool, accountId: string, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  return withTransaction(pool, async (client) => {
    await client.query("SELECT set_config('app.account_id', $1, true)", [accountId]);
    return work(client);
  });
}
