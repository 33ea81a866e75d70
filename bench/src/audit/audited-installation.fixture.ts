import { appendFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { RPC } from '@tensorloop/contracts/subjects';
import { newAccountTag } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { ensureMeteringConsumer, ensureRequestsStream } from '@tensorloop/messaging/streams';
import { createTestDatabase, type TestDatabase } from '@tensorloop/testing/database';
import { startTestNats, startTestRedis, type TestServer } from '@tensorloop/testing/servers';
import { makeTestFolder, removeTestFolder } from '@tensorloop/testing/test-folder';
import { Redis } from 'ioredis';
import type { AuditOptions } from './audit-options.js';
import { type BookedCall, bookCalls, oracleLine, sampleCalls } from './booked-calls.fixture.js';
import {
  CALLS_OPEN_METRIC,
  JOURNAL_ENTRIES_METRIC,
  JOURNAL_UNACKNOWLEDGED_METRIC,
  REDIS_WRITES_METRIC,
} from './journal-checks.js';

/** Servers shared by all tests of a file; what differs between tests is the database and what Redis holds. */
export interface AuditServers {
  nats: TestServer;
  redis: TestServer;
  connection: NatsConnection;
  stop(): Promise<void>;
}

export async function startAuditServers(): Promise<AuditServers> {
  const [nats, redis] = await Promise.all([startTestNats(), startTestRedis()]);
  const connection = await connect({ servers: nats.url });
  const manager = await jetstreamManager(connection);
  await ensureRequestsStream(manager);
  await ensureMeteringConsumer(manager);
  return {
    nats,
    redis,
    connection,
    stop: async () => {
      await connection.close();
      await Promise.all([nats.stop(), redis.stop()]);
    },
  };
}

/**
 * An installation at rest after five calls, whose books agree in every place; written by hand, so that each place can be
 * falsified alone. Metering's RPC and the gateway's metrics are stood in for, the servers are real.
 */
export class AuditedInstallation {
  readonly accountId = uuid7();
  readonly accountTag = newAccountTag();
  readonly keyId = uuid7();
  readonly folder = makeTestFolder('audit');
  readonly oracleFile = join(this.folder, 'oracle.jsonl');
  readonly redis: Redis;
  /** What the stand-in for metering answers; tests falsify it. */
  activity: BookedCall[] = [];
  unacknowledged = 0;
  journalEntries = 0;
  private readonly metrics: Server = createServer((_req, res) => {
    res.end(
      `# TYPE ${CALLS_OPEN_METRIC} gauge\n${CALLS_OPEN_METRIC} 0\n${REDIS_WRITES_METRIC} 0\n${JOURNAL_ENTRIES_METRIC} ${this.journalEntries}\n${JOURNAL_UNACKNOWLEDGED_METRIC}{gateway="a"} ${this.unacknowledged}\n`,
    );
  });

  private constructor(
    private readonly servers: AuditServers,
    readonly database: TestDatabase,
    readonly calls: BookedCall[],
  ) {
    this.redis = new Redis(servers.redis.url);
    this.activity = [...calls];
  }

  static async build(servers: AuditServers): Promise<AuditedInstallation> {
    const database = await createTestDatabase({ seed: { upstreamBaseUrl: 'http://127.0.0.1:4900/v1', credential: null } });
    const calls = await sampleCalls(database);
    const installation = new AuditedInstallation(servers, database, calls);
    await bookCalls(installation, calls);
    writeFileSync(installation.oracleFile, calls.map((call) => oracleLine(call)).join(''));
    await installation.writeAuditLog();
    await installation.fillRedis();
    await installation.listen();
    return installation;
  }

  options(changes: Partial<AuditOptions> = {}): AuditOptions {
    return {
      ownerDatabaseUrl: this.database.urls.owner,
      natsUrl: this.servers.nats.url,
      redisUrl: this.servers.redis.url,
      gatewayUrls: [`http://127.0.0.1:${(this.metrics.address() as AddressInfo).port}`],
      session: null,
      oracleFile: this.oracleFile,
      requestsMin: 1,
      quiescenceTimeoutMs: 0,
      onProgress: () => undefined,
      ...changes,
    };
  }

  scopeName(scope: string): string {
    return `tl:{${this.accountTag}}:scope:${scope}`;
  }

  appendOracle(line: string): void {
    appendFileSync(this.oracleFile, line);
  }

  async stop(): Promise<void> {
    await this.redis.flushall();
    this.redis.disconnect();
    await new Promise((resolve) => this.metrics.close(resolve));
    for (const subscription of this.subscriptions) subscription.unsubscribe();
    removeTestFolder(this.folder);
    await this.database.drop();
  }

  private subscriptions: { unsubscribe(): void }[] = [];

  private async writeAuditLog(): Promise<void> {
    await this.database.query(
      `WITH of AS MATERIALIZED (SELECT set_config('app.account_id', $1::text, false))
       SELECT control.append_audit($1::uuid, now(), '{"kind": "system", "label": "spec"}', 'key.minted', '{"kind": "key", "id": "k"}',
         jsonb_build_object('n', n), '{}') FROM of, generate_series(1, 3) AS n`,
      [this.accountId],
    );
  }

  private async fillRedis(): Promise<void> {
    const totals = await this.database.query<{ scope: string; total: string; version: string }>(
      'SELECT scope, total_nano_usd AS total, version FROM metering.scope_totals',
    );
    for (const { scope, total, version } of totals) {
      await this.redis.hset(this.scopeName(scope), { total, version, held: 0, settled: 0 });
    }
  }

  private async listen(): Promise<void> {
    this.subscriptions.push(
      this.servers.connection.subscribe(RPC.meteringActivityList, {
        callback: (_error, message) =>
          void message.respond(JSON.stringify({ response: this.activityReply(), isDisposed: true })),
      }),
    );
    // The subscription has to stand before the audit asks.
    await this.servers.connection.flush();
    await new Promise<void>((resolve) => this.metrics.listen(0, '127.0.0.1', resolve));
  }

  private activityReply(): unknown {
    const rows = this.activity.map((call) => ({
      requestId: call.requestId,
      admittedAtMs: call.admittedAtMs,
      keyId: this.keyId,
      model: call.model,
      endpoint: call.endpoint,
      stream: false,
      outcome: call.outcome,
      httpStatus: 200,
      estimated: call.isEstimated,
      usage: call.usage,
      chargeNanoUsd: call.chargeNanoUsd.toString(),
      latencyMs: 1,
      firstByteMs: null,
    }));
    return { ok: true, rows, hasMore: false, dataThroughMs: Date.now() };
  }
}
