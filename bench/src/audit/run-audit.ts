import { connect, type NatsConnection } from '@nats-io/transport-node';
import { Redis } from 'ioredis';
import pg from 'pg';
import { addActivity, dashboardPages, rpcPages } from './activity-checks.js';
import type { AuditReport, CheckResult, SourceName } from './audit.types.js';
import { AuditUnavailable } from './audit.types.js';
import { checkAuditLogs } from './audit-log-checks.js';
import type { AuditOptions } from './audit-options.js';
import { CheckRecorder } from './check-result.js';
import { compareSources } from './compare-sources.rules.js';
import { checkConsumerLag, readConsumerLag } from './consumer-checks.js';
import { DashboardSession } from './dashboard-session.js';
import { checkJournals, readJournal } from './journal-checks.js';
import { checkLedger } from './ledger-checks.js';
import { checkOracle, readOracleSums } from './oracle-checks.js';
import { loadOracle } from './oracle-file.js';
import { type Pending, waitForQuiescence } from './quiescence.js';
import { checkOpenHolds, checkRedisTotals, countOpenHolds } from './redis-checks.js';
import {
  closeSnapshot,
  openSnapshot,
  readAccounts,
  readChargeSums,
  readRollupSums,
  readUsageSums,
  SourceTable,
} from './snapshot.js';

const CONNECT_TIMEOUT_MS = 5_000;

interface Connections {
  database: pg.Client;
  redis: Redis;
  nats: NatsConnection;
}

/** Audits a running installation. Throws AuditUnavailable when a part it needs does not answer. */
export async function runAudit(options: AuditOptions): Promise<AuditReport> {
  const startedAt = new Date().toISOString();
  const connections = await open(options);
  try {
    const isQuiet = await waitForQuiescence(() => readPending(connections, options), {
      timeoutMs: options.quiescenceTimeoutMs,
      onProgress: options.onProgress,
    });
    if (!isQuiet) options.onProgress('calls are still under way; auditing as it stands');
    await openSnapshot(connections.database);
    const { table, checks } = await auditBooks(connections, options);
    checks.push(...(await auditAdmission(connections, options)));
    await closeSnapshot(connections.database);
    const requests = table.reduce((sum, row) => sum + (row.sources.usage?.requests ?? 0n), 0n);
    checks.push(checkFloor(requests, options.requestsMin));
    return { startedAt, requests, table, checks, differences: checks.reduce((sum, check) => sum + check.differenceCount, 0) };
  } finally {
    await close(connections);
  }
}

async function auditBooks(
  { database, nats }: Connections,
  options: AuditOptions,
): Promise<{ table: ReturnType<SourceTable['rows']>; checks: CheckResult[] }> {
  const table = new SourceTable();
  const available = new Set<SourceName>(['usage', 'charges', 'rollups', 'activity']);
  table.add('usage', await readUsageSums(database));
  table.add('charges', await readChargeSums(database));
  table.add('rollups', await readRollupSums(database));
  const checks: CheckResult[] = [];
  if (options.oracleFile !== null) {
    available.add('oracle');
    const oracle = await loadOracle(database, options.oracleFile, options.onProgress);
    options.onProgress(`oracle: ${oracle.calls} calls served; comparing them with the books`);
    checks.push(...(await checkOracle(database, oracle)));
    table.add('oracle', await readOracleSums(database));
  }
  options.onProgress('comparing the books with each other');
  checks.push(...(await checkLedger(database)));
  checks.push(await checkAuditLogs(database));
  const session = options.session ? await DashboardSession.signIn(options.session) : null;
  const sessionAccount = session ? await session.accountId() : null;
  for (const { id } of await readAccounts(database)) {
    const pages = session && id === sessionAccount ? dashboardPages(session) : rpcPages(nats, id);
    const calls = await addActivity(table, id, pages);
    options.onProgress(`activity of account ${id}: ${calls} calls read`);
  }
  return { table: table.rows(), checks: [...compareSources(table.rows(), available), ...checks] };
}

async function auditAdmission({ database, redis, nats }: Connections, options: AuditOptions): Promise<CheckResult[]> {
  return [
    await checkRedisTotals(redis, database),
    await checkOpenHolds(redis),
    await checkConsumerLag(nats),
    ...(options.gatewayUrls.length > 0 ? [await checkJournals(options.gatewayUrls)] : []),
  ];
}

async function readPending({ redis, nats }: Connections, options: AuditOptions): Promise<Pending> {
  const lag = await readConsumerLag(nats).catch((error: Error) => {
    throw new AuditUnavailable(`The stream that metering reads cannot be asked: ${error.message}. Has metering ever started?`);
  });
  const pending: Pending = {
    stream: lag.pending,
    'in metering': lag.unacknowledged,
    'open holds': await countOpenHolds(redis),
  };
  for (const url of options.gatewayUrls) {
    const journal = await readJournal(url);
    pending[`journal of ${url}`] = Math.max(journal.unacknowledged, journal.entries) + journal.unwritten;
  }
  return pending;
}

function checkFloor(requests: bigint, requestsMin: number): CheckResult {
  const check = new CheckRecorder(`calls audited: at least ${requestsMin}`).count(requests);
  if (requests < BigInt(requestsMin)) check.difference('usage rows', `at least ${requestsMin}`, requests);
  return check.result();
}

async function open(options: AuditOptions): Promise<Connections> {
  const database = new pg.Client({ connectionString: options.ownerDatabaseUrl, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // A client without a listener turns a lost connection into an uncaught exception; the query in flight rejects anyway.
  database.on('error', () => undefined);
  const redis = new Redis(options.redisUrl, {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: 1,
    retryStrategy: () => null,
  });
  redis.on('error', () => undefined);
  const unavailable = (what: string) => (error: Error) => {
    throw new AuditUnavailable(`${what} does not answer: ${error.message}. Is the installation running?`);
  };
  try {
    await database.connect().catch(unavailable('PostgreSQL'));
    await redis.connect().catch(unavailable('Redis'));
    const nats = await connect({
      servers: options.natsUrl,
      timeout: CONNECT_TIMEOUT_MS,
      reconnect: false,
      name: 'audit',
    }).catch(unavailable('NATS'));
    return { database, redis, nats };
  } catch (error) {
    redis.disconnect();
    await database.end().catch(() => undefined);
    throw error;
  }
}

async function close({ database, redis, nats }: Connections): Promise<void> {
  redis.disconnect();
  await nats.close();
  await database.end().catch(() => undefined);
}
