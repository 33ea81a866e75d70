import { type JetStreamClient, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { PriceVersion } from '@tensorloop/contracts/price-book';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import type { AccountSettled } from '@tensorloop/contracts/settle-ack';
import { REQUEST_COMPLETED } from '@tensorloop/contracts/subjects';
import { connectNats } from '@tensorloop/messaging/connection';
import { subscribeSettled } from '@tensorloop/messaging/settled';
import { ensureMeteringConsumer, ensureRequestsStream, jetstreamManager } from '@tensorloop/messaging/streams';
import { createLogger } from '@tensorloop/observability/logger';
import { createMetrics } from '@tensorloop/observability/metrics';
import { NO_TRACING, type Tracing } from '@tensorloop/observability/tracing';
import { createTestDatabase, type TestDatabase } from '@tensorloop/testing/database';
import { startTestNats, startTestRedis, type TestServer } from '@tensorloop/testing/servers';
import { createApp, listen } from '../app.js';
import { configSchema } from '../config.js';
import { PRICE } from './events.js';

/** The servers of one spec file, with the stream ready and one price in the book. */
export interface World {
  database: TestDatabase;
  nats: TestServer;
  redis: TestServer;
  connection: NatsConnection;
  js: JetStreamClient;
  environment: Record<string, string>;
  stop(): Promise<void>;
}

export async function startWorld(): Promise<World> {
  const [database, nats, redis] = await Promise.all([createTestDatabase(), startTestNats(), startTestRedis()]);
  await insertPrice(database, PRICE);
  const connection = await connectNats({ url: nats.url, name: 'test' });
  const manager = await jetstreamManager(connection);
  await ensureRequestsStream(manager);
  await ensureMeteringConsumer(manager);
  return {
    database,
    nats,
    redis,
    connection,
    js: jetstream(connection),
    environment: {
      PORT: '0',
      LOG_LEVEL: 'silent',
      NATS_URL: nats.url,
      REDIS_URL: redis.url,
      DATABASE_URL: database.urls.meteringApp,
      INGEST_DATABASE_URL: database.urls.meteringIngest,
    },
    stop: async () => {
      await connection.close();
      await Promise.all([nats.stop(), redis.stop(), database.drop()]);
    },
  };
}

export async function insertPrice(database: TestDatabase, price: PriceVersion): Promise<void> {
  await database.query(
    `INSERT INTO metering.price_versions (id, model, effective_from, effective_to, rates)
     VALUES ($1, $2, to_timestamp($3::float8 / 1000), to_timestamp($4::float8 / 1000), $5)`,
    [price.id, price.model, price.effectiveFromMs, price.effectiveToMs, JSON.stringify(price.rates)],
  );
}

export interface RunningMetering {
  app: NestExpressApplication;
  url: string;
}

/** A metering service inside this process. */
export async function startMetering(
  world: World,
  environment: Record<string, string> = {},
  tracing: Tracing = NO_TRACING,
): Promise<RunningMetering> {
  const config = configSchema.parse({ ...world.environment, ...environment });
  const logger = createLogger({ service: 'metering', level: config.LOG_LEVEL });
  const platform = { config, logger, metrics: createMetrics('metering'), tracing };
  const app = await createApp(platform);
  return { app, url: await listen(app, platform) };
}

/** What a gateway hears back, gathered. */
export class SettledEars {
  readonly accounts: AccountSettled[] = [];

  constructor(world: World, gatewayId: string) {
    subscribeSettled(world.connection, gatewayId, {
      onSettled: (settled) => this.accounts.push(...settled.accounts),
      onProblem: (error) => {
        throw error;
      },
    });
  }

  /** How often a call was settled. */
  count(requestId: string): number {
    return this.accounts.filter((account) => account.requestIds.includes(requestId)).length;
  }

  has(requestId: string): boolean {
    return this.count(requestId) > 0;
  }

  /** The acknowledgement that came last for the call. */
  last(requestId: string): AccountSettled {
    const account = this.accounts.findLast((each) => each.requestIds.includes(requestId));
    if (account === undefined) throw new Error(`${requestId} was not settled`);
    return account;
  }
}

/** Publishes without a message id, so that the server's own dedupe does not hide a duplicate. */
export async function publish(world: World, ...events: (RequestCompleted | Uint8Array | string)[]): Promise<void> {
  await Promise.all(events.map((event) => world.js.publish(REQUEST_COMPLETED, toPayload(event))));
}

export function toPayload(event: RequestCompleted | Uint8Array | string): Uint8Array {
  if (event instanceof Uint8Array) return event;
  return new TextEncoder().encode(typeof event === 'string' ? event : JSON.stringify(event));
}

export interface Sums {
  usage: bigint;
  charges: bigint;
  receivable: bigint;
  revenue: bigint;
  rollups: bigint;
  dailyRollups: bigint;
  windows: bigint;
  days: bigint;
  calls: number;
  rolledUpCalls: number;
  dailyRolledUpCalls: number;
  unbalanced: number;
}

/** Every sum of an account that must agree, read past row-level security. */
export async function readSums(world: World, accountIds: readonly string[]): Promise<Sums> {
  const sum = (table: string, condition = 'true', column = 'amount_nano_usd') =>
    `(SELECT coalesce(sum(${column}), 0)::text FROM metering.${table} WHERE account_id = ANY ($1::uuid[]) AND ${condition})`;
  const [row] = await world.database.query<Record<keyof Sums, string>>(
    `SELECT ${sum('usage', 'true', 'charge_nano_usd')} AS usage, ${sum('charges')} AS charges,
       ${sum('ledger_entries', "ledger_account = 'receivable'")} AS receivable,
       ${sum('ledger_entries', "ledger_account = 'revenue'")} AS revenue,
       ${sum('hourly_rollups', 'true', 'charge_nano_usd')} AS rollups,
       ${sum('daily_rollups', 'true', 'charge_nano_usd')} AS "dailyRollups",
       ${sum('scope_totals', "scope LIKE 'window:%'", 'total_nano_usd')} AS windows,
       ${sum('scope_totals', "scope LIKE 'day:%'", 'total_nano_usd')} AS days,
       ${sum('usage', 'true', '1')} AS calls, ${sum('hourly_rollups', 'true', 'requests')} AS "rolledUpCalls",
       ${sum('daily_rollups', 'true', 'requests')} AS "dailyRolledUpCalls",
       (SELECT count(*)::text FROM (SELECT FROM metering.ledger_entries GROUP BY account_id, transaction_id
         HAVING sum(amount_nano_usd) <> 0) AS t) AS unbalanced`,
    [accountIds],
  );
  const text = row as Record<keyof Sums, string>;
  return {
    usage: BigInt(text.usage),
    charges: BigInt(text.charges),
    receivable: BigInt(text.receivable),
    revenue: BigInt(text.revenue),
    rollups: BigInt(text.rollups),
    dailyRollups: BigInt(text.dailyRollups),
    windows: BigInt(text.windows),
    days: BigInt(text.days),
    calls: Number(text.calls),
    rolledUpCalls: Number(text.rolledUpCalls),
    dailyRolledUpCalls: Number(text.dailyRolledUpCalls),
    unbalanced: Number(text.unbalanced),
  };
}

/** What `readSums` must return for `calls` booked calls that were charged `charge` in all. */
export function sumsOf(charge: bigint, calls: number): Sums {
  return {
    usage: charge,
    charges: charge,
    receivable: charge,
    revenue: -charge,
    rollups: charge,
    dailyRollups: charge,
    windows: charge,
    days: charge,
    calls,
    rolledUpCalls: calls,
    dailyRolledUpCalls: calls,
    unbalanced: 0,
  };
}
