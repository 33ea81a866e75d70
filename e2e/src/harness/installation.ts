import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { AuditReport } from '@tensorloop/bench/audit/audit.types';
import type { AuditOptions } from '@tensorloop/bench/audit/audit-options';
import { formatReport } from '@tensorloop/bench/audit/audit-table';
import { runAudit } from '@tensorloop/bench/audit/run-audit';
import type { KeyCreate, KeyCreated } from '@tensorloop/contracts/dashboard-api';
import { METERING_CONSUMER, REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import { setAccountPlan } from '@tensorloop/db/operator';
import type { ManagedServer } from '@tensorloop/servers/managed-server';
import { findFreePort } from '@tensorloop/servers/ports';
import { startService } from '@tensorloop/servers/service';
import { createTestDatabase, type TestDatabase } from '@tensorloop/testing/database';
import { startTestNats, startTestRedis, type TestServer } from '@tensorloop/testing/servers';
import { makeTestFolder, removeTestFolder } from '@tensorloop/testing/test-folder';
import type OpenAI from 'openai';
import { openAi } from './chat.js';
import { Dashboard } from './dashboard.js';

const ROOT = join(import.meta.dirname, '../../..');
const KEY_PEPPER = 'a pepper for end-to-end tests only';
const AUDIT_QUIESCENCE_TIMEOUT_MS = 60_000;
const REDELIVERY_MS = 2_000;
const NANOS_PER_MS = 1_000_000;
export const SETUP_TIMEOUT_MS = 300_000;

const SERVICES = ['upstream-sim', 'metering', 'control-plane', 'gateway', 'gateway-2'] as const;
export type ServiceName = (typeof SERVICES)[number];

export interface InstallationOptions {
  /** The second one serves the same accounts from the same Redis, with a journal of its own. */
  gateways?: 1 | 2;
}

export interface Tenant {
  accountId: string;
  email: string;
  password: string;
  dashboard: Dashboard;
}

export interface KeyHolder extends Tenant {
  key: KeyCreated;
  client: OpenAI;
}

/** Servers and folders of one installation; services come and go on them. */
interface Ground {
  folder: string;
  database: TestDatabase;
  nats: TestServer;
  redis: TestServer;
  oracleFile: string;
  ports: Record<ServiceName, number>;
}

/**
 * The whole product as real processes, built as it is shipped, on servers of its own. Every process can be killed with -9
 * and started again on its data: `service('gateway').kill()`, `.restart()`, and the same for `nats` and `redis`.
 */
export class Installation {
  private accounts = 0;

  private constructor(
    private readonly ground: Ground,
    private readonly services: Map<ServiceName, ManagedServer>,
  ) {}

  static async start({ gateways = 1 }: InstallationOptions = {}): Promise<Installation> {
    const folder = makeTestFolder('e2e');
    const ports = Object.fromEntries(
      await Promise.all(SERVICES.map(async (name) => [name, await findFreePort()])),
    ) as Ground['ports'];
    const seed = { upstreamBaseUrl: `http://127.0.0.1:${ports['upstream-sim']}/v1`, credential: null };
    const [database, nats, redis] = await Promise.all([createTestDatabase({ seed }), startTestNats(), startTestRedis()]);
    const installation = new Installation(
      { folder, database, nats, redis, oracleFile: join(folder, 'oracle.jsonl'), ports },
      new Map(),
    );
    try {
      // Metering creates the stream and publishes the prices that a gateway needs before it is ready.
      await allOf([installation.launch('upstream-sim'), installation.launch('metering'), installation.launch('control-plane')]);
      await allOf([installation.launch('gateway'), ...(gateways === 2 ? [installation.launch('gateway-2')] : [])]);
      return installation;
    } catch (error) {
      await installation.stop();
      throw error;
    }
  }

  get database(): TestDatabase {
    return this.ground.database;
  }
  get nats(): ManagedServer {
    return this.ground.nats.server;
  }
  get redis(): ManagedServer {
    return this.ground.redis.server;
  }
  get gatewayUrl(): string {
    return this.urlOf('gateway');
  }

  urlOf(name: ServiceName): string {
    return `http://127.0.0.1:${this.ground.ports[name]}`;
  }

  service(name: ServiceName): ManagedServer {
    return this.services.get(name) as ManagedServer;
  }

  /** A new account on the plan, signed in. */
  async signUp(planId: 'free' | 'pro' | 'internal' = 'free'): Promise<Tenant> {
    const dashboard = new Dashboard(this.urlOf('control-plane'));
    const [email, password] = [`tenant${++this.accounts}@example.test`, 'a long enough password'];
    const { account } = await dashboard.signUp(email, password);
    if (planId !== 'free') await setAccountPlan(this.database.urls.owner, account.id, planId);
    return { accountId: account.id, email, password, dashboard };
  }

  async mint(tenant: Tenant, key: Partial<KeyCreate> = {}): Promise<KeyHolder> {
    const created = await tenant.dashboard.mintKey({ name: 'a key', ...key });
    return { ...tenant, key: created, client: openAi(this.gatewayUrl, created.key) };
  }

  /** The same key, used at the second gateway. */
  atSecondGateway(holder: KeyHolder): KeyHolder {
    return { ...holder, client: openAi(this.urlOf('gateway-2'), holder.key.key) };
  }

  /** The audit that `npm run audit` runs, on this installation. */
  audit(changes: Partial<AuditOptions> = {}): Promise<AuditReport> {
    const { database, nats, redis, oracleFile } = this.ground;
    return runAudit({
      ownerDatabaseUrl: database.urls.owner,
      natsUrl: nats.url,
      redisUrl: redis.url,
      gatewayUrls: (['gateway', 'gateway-2'] as const)
        .filter((name) => this.services.has(name))
        .map((name) => this.urlOf(name)),
      session: null,
      oracleFile,
      requestsMin: 1,
      quiescenceTimeoutMs: AUDIT_QUIESCENCE_TIMEOUT_MS,
      onProgress: () => undefined,
      ...changes,
    });
  }

  /**
   * Messages that a killed metering had in hand come back after the consumer's ack_wait, a minute in production. Tests
   * shorten it from outside, as an operator could; what is delivered again is the same.
   */
  async hastenRedelivery(): Promise<void> {
    const connection = await connect({ servers: this.ground.nats.url });
    try {
      const manager = await jetstreamManager(connection);
      await manager.consumers.update(REQUESTS_STREAM, METERING_CONSUMER, { ack_wait: REDELIVERY_MS * NANOS_PER_MS });
    } finally {
      await connection.close();
    }
  }

  /** Throws the printed report when anything differs. */
  async auditExactly(requestsMin = 1): Promise<AuditReport> {
    const report = await this.audit({ requestsMin });
    if (report.differences > 0) throw new Error(`the audit found differences\n${formatReport(report)}`);
    return report;
  }

  async stop(): Promise<void> {
    for (const name of SERVICES.toReversed()) await this.services.get(name)?.stop();
    await Promise.all([this.ground.nats.stop(), this.ground.redis.stop()]);
    await this.ground.database.drop();
    removeTestFolder(this.ground.folder);
  }

  private async launch(name: ServiceName): Promise<void> {
    const main = join(ROOT, 'apps', name.replace(/-\d$/, ''), 'dist/main.js');
    if (!existsSync(main)) throw new Error(`${main} does not exist: build first ("turbo run build").`);
    const folder = join(this.ground.folder, name);
    const env = {
      PATH: ROOT,
      HOST: '127.0.0.1',
      LOG_LEVEL: 'info',
      NATS_URL: this.ground.nats.url,
      ...this.environmentOf(name),
    };
    const readyPath = name === 'upstream-sim' ? '/health/live' : '/health/ready';
    this.services.set(name, await startService({ name, main, folder, env, readyPath, port: this.ground.ports[name] }));
  }

  private environmentOf(name: ServiceName): Record<string, string> {
    const { database, redis, oracleFile, folder } = this.ground;
    const publicUrl = this.urlOf('control-plane');
    switch (name) {
      case 'upstream-sim':
        return { ORACLE_FILE: oracleFile };
      case 'metering':
        return {
          DATABASE_URL: database.urls.meteringApp,
          INGEST_DATABASE_URL: database.urls.meteringIngest,
          REDIS_URL: redis.url,
        };
      case 'control-plane':
        return {
          DATABASE_URL: database.urls.controlApp,
          RELAY_DATABASE_URL: database.urls.controlRelay,
          OPERATOR_DATABASE_URL: database.urls.controlOperator,
          REDIS_URL: redis.url,
          KEY_PEPPER,
          PUBLIC_URL: publicUrl,
          GATEWAY_URL: this.gatewayUrl,
        };
      case 'gateway':
      case 'gateway-2':
        return {
          REDIS_URL: redis.url,
          KEY_PEPPER,
          JOURNAL_DIR: join(folder, name, 'journal'),
          // Hundreds of callers at once on a machine that is busy with other tests are no overload to be shed.
          LATE_MS: '60000',
          // Nor is Redis silent because it waits for a core.
          REDIS_CALL_MS: '1000',
          PUBLIC_URL: this.urlOf(name),
          DASHBOARD_URL: publicUrl,
        };
    }
  }
}

/** Like Promise.all, but none is still starting when it fails: what is started is known, and can be stopped. */
async function allOf(starts: Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(starts);
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure) throw failure.reason;
}
