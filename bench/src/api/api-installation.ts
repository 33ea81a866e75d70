import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { RoleKey } from '@tensorloop/db/roles';
import { seed } from '@tensorloop/db/seed';
import type { ManagedServer } from '@tensorloop/servers/managed-server';
import { findFreePort } from '@tensorloop/servers/ports';
import { startService } from '@tensorloop/servers/service';
import { type Stack, startStack } from '@tensorloop/servers/stack';
import pg from 'pg';
import { DATABASE, inheritedEnv, prepareDatabase } from '../bench/private-database.js';

const ROOT = join(import.meta.dirname, '../../..');
const DATA = join(ROOT, '.data', 'bench-api');
const PEPPER_BYTES = 16;
/** Nothing is called upstream. */
const NO_UPSTREAM = 'http://127.0.0.1:9/v1';

interface Parts {
  stack: Stack;
  urls: Record<RoleKey, string>;
  controlPlane: ManagedServer;
  metering: ManagedServer;
}

/** Private servers, and the two services that a dashboard's questions go through, as processes and as they are shipped. */
export class ApiInstallation {
  private constructor(private readonly parts: Parts) {}

  static async start(): Promise<ApiInstallation> {
    rmSync(DATA, { recursive: true, force: true });
    mkdirSync(DATA, { recursive: true });
    const stack = await startStack({ folder: join(DATA, 'servers'), purpose: 'durable' });
    let metering: ManagedServer | undefined;
    try {
      const urls = await prepareDatabase(stack.postgresUrl);
      await seed(urls.owner, { upstreamBaseUrl: NO_UPSTREAM, credential: null });
      metering = await startMetering(stack, urls);
      const controlPlane = await startControlPlane(stack, urls);
      return new ApiInstallation({ stack, urls, metering, controlPlane });
    } catch (error) {
      await metering?.stop();
      await stack.stop();
      throw error;
    }
  }

  get url(): string {
    return this.parts.controlPlane.url;
  }

  get controlPlanePid(): number {
    return this.parts.controlPlane.pid;
  }

  get ownerDatabaseUrl(): string {
    return this.parts.urls.owner;
  }

  get superuserDatabaseUrl(): string {
    const url = new URL(this.parts.stack.postgresUrl);
    url.pathname = `/${DATABASE}`;
    return url.toString();
  }

  /** As the superuser: past row-level security, which not even the owner of the tables is. */
  async withDatabase<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new pg.Client({ connectionString: this.superuserDatabaseUrl });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  async stop(): Promise<void> {
    const { controlPlane, metering, stack } = this.parts;
    await controlPlane.stop();
    await metering.stop();
    await stack.stop();
  }
}

function startMetering(stack: Stack, urls: Record<RoleKey, string>): Promise<ManagedServer> {
  return launch('metering', stack, { env: { DATABASE_URL: urls.meteringApp, INGEST_DATABASE_URL: urls.meteringIngest } });
}

async function startControlPlane(stack: Stack, urls: Record<RoleKey, string>): Promise<ManagedServer> {
  const port = await findFreePort();
  const env = {
    DATABASE_URL: urls.controlApp,
    RELAY_DATABASE_URL: urls.controlRelay,
    OPERATOR_DATABASE_URL: urls.controlOperator,
    KEY_PEPPER: randomBytes(PEPPER_BYTES).toString('hex'),
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    // The measurement speaks for many networks.
    TRUSTED_PROXIES: 'loopback',
  };
  return launch('control-plane', stack, { env, port });
}

function launch(
  app: string,
  stack: Stack,
  { env, port }: { env: Record<string, string>; port?: number },
): Promise<ManagedServer> {
  return startService({
    name: app,
    folder: join(DATA, app),
    main: join(ROOT, 'apps', app, 'dist', 'main.js'),
    nodeArgs: ['--enable-source-maps'],
    env: { ...inheritedEnv(), NODE_ENV: 'production', NATS_URL: stack.natsUrl, REDIS_URL: stack.redisUrl, ...env },
    ...(port !== undefined && { port }),
  });
}
