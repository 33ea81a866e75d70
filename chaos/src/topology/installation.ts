import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { migrate } from '@tensorloop/db/migrate';
import { ensureRoles, type RoleKey } from '@tensorloop/db/roles';
import { seed } from '@tensorloop/db/seed';
import type { ManagedServer } from '@tensorloop/servers/managed-server';
import { startNats } from '@tensorloop/servers/nats';
import { poll } from '@tensorloop/servers/poll';
import { findFreePort } from '@tensorloop/servers/ports';
import { startPostgres } from '@tensorloop/servers/postgres';
import { startRedis } from '@tensorloop/servers/redis';
import { GATEWAY_NODE_ARGS, startService } from '@tensorloop/servers/service';
import { newRolePasswords } from '@tensorloop/testing/shared-postgres';
import { Network } from './network.js';
import { GATEWAYS, isGateway, type PartName, SERVERS, SERVICES, type ServerName, type ServiceName } from './parts.js';
import { ServiceEnvironments } from './service-environments.js';

const ROOT = join(import.meta.dirname, '../../..');
const READY_TIMEOUT_MS = 30_000;
const DATABASE = 'chaos';

export interface InstallationOptions {
  /** Holds everything: data, journals, logs, the witness. */
  folder: string;
  /** Where a gateway's journal lies, if not below `folder`. */
  journalFolders?: Partial<Record<string, string>>;
  /** No proxy between any two parts: nothing can be cut then, and nothing but the parts is measured. */
  isDirect?: boolean;
}

const START_ATTEMPTS_MAX = 3;

interface Ground {
  options: InstallationOptions;
  network: Network;
  servers: Record<ServerName, ManagedServer>;
  urls: Record<RoleKey, string>;
  ports: Record<ServiceName, number>;
  environments: ServiceEnvironments;
}

/**
 * The product as it is shipped, two gateways and two meterings of it, on servers of its own. Each part meets each other
 * through a proxy; the harness itself talks to the servers directly.
 */
export class Installation {
  private readonly services = new Map<ServiceName | 'upstream-sim', ManagedServer>();

  private constructor(private readonly ground: Ground) {}

  /** A port that was free when it was chosen may be taken when it is needed: then everything begins anew, with others. */
  static async start(options: InstallationOptions): Promise<Installation> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await Installation.startOnce(options);
      } catch (error) {
        if (attempt === START_ATTEMPTS_MAX || !String(error).includes('address already in use')) throw error;
        for (const server of SERVERS) rmSync(join(options.folder, server), { recursive: true, force: true });
      }
    }
  }

  private static async startOnce(options: InstallationOptions): Promise<Installation> {
    const { folder } = options;
    mkdirSync(folder, { recursive: true });
    const [postgres, nats, redis] = await Promise.all([
      startPostgres({ folder: join(folder, 'postgres'), durability: 'process' }),
      startNats({ folder: join(folder, 'nats') }),
      startRedis({ folder: join(folder, 'redis'), persistence: 'append-only' }),
    ]);
    const urls = await ensureRoles(postgres.url, { database: DATABASE, passwords: newRolePasswords() });
    await migrate(urls.owner);
    const ports = Object.fromEntries(
      await Promise.all(SERVICES.map(async (name) => [name, await findFreePort()])),
    ) as Ground['ports'];
    const servers = { postgres, nats, redis };
    const network = new Network(options.isDirect);
    const environments = new ServiceEnvironments({ options, network, servers, urls, ports });
    const installation = new Installation({ options, network, servers, urls, ports, environments });
    try {
      await installation.startServices();
      return installation;
    } catch (error) {
      await installation.stop();
      throw error;
    }
  }

  get network(): Network {
    return this.ground.network;
  }
  get folder(): string {
    return this.ground.options.folder;
  }
  get databaseUrls(): Record<RoleKey, string> {
    return this.ground.urls;
  }
  get oracleFile(): string {
    return join(this.folder, 'oracle.jsonl');
  }
  get environments(): ServiceEnvironments {
    return this.ground.environments;
  }
  get gatewayUrls(): string[] {
    return GATEWAYS.map((name) => this.urlOf(name));
  }

  get providerPid(): number {
    return (this.services.get('upstream-sim') as ManagedServer).pid;
  }

  urlOf(name: ServiceName): string {
    return `http://127.0.0.1:${this.ground.ports[name]}`;
  }

  part(name: PartName): ManagedServer {
    const server = this.ground.servers[name as ServerName] ?? this.services.get(name as ServiceName);
    if (!server) throw new Error(`${name} was never started`);
    return server;
  }

  journalFolder(gateway: string): string {
    return this.ground.environments.journalFolder(gateway);
  }

  /** Every service says that it is ready. */
  async ready(timeoutMs = READY_TIMEOUT_MS): Promise<void> {
    for (const name of SERVICES) {
      await poll(async () => (await fetch(`${this.urlOf(name)}/health/ready`, { signal: AbortSignal.timeout(2_000) })).ok, {
        timeoutMs,
        failure: `${name} was not ready`,
      });
    }
  }

  /** At once: whatever was to be proven has been. */
  async stop(): Promise<void> {
    const { servers, network } = this.ground;
    await Promise.all([...this.services.values(), ...Object.values(servers)].map((server) => server.kill()));
    await network.close();
  }

  private async startServices(): Promise<void> {
    const { network, urls, environments } = this.ground;
    const simulator = await this.launch('upstream-sim', await findFreePort());
    const upstreamPort = await network.openUpstream(simulator.port, (gateway) => this.services.get(gateway)?.pid ?? null);
    await seed(urls.owner, { upstreamBaseUrl: `http://127.0.0.1:${upstreamPort}/v1`, credential: null });
    await environments.connect();
    // Metering creates the stream and publishes the prices that a gateway needs.
    for (const names of [SERVICES.filter((name) => !isGateway(name)), GATEWAYS]) {
      const outcomes = await Promise.allSettled(names.map((name) => this.launch(name, this.ground.ports[name])));
      const failure = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failure) throw failure.reason;
    }
    await this.ready();
  }

  /** Started is what lives: a service must come up while its neighbours are down. */
  private async launch(name: ServiceName | 'upstream-sim', port: number): Promise<ManagedServer> {
    const app = name.replace(/-\d$/, '');
    const service = await startService({
      name,
      port,
      folder: join(this.folder, name),
      main: join(ROOT, 'apps', app, 'dist/main.js'),
      env: name === 'upstream-sim' ? { HOST: '127.0.0.1', ORACLE_FILE: this.oracleFile } : this.ground.environments.of(name),
      nodeArgs: isGateway(name) ? [...GATEWAY_NODE_ARGS] : [],
      readyPath: '/health/live',
    });
    this.services.set(name, service);
    return service;
  }
}
