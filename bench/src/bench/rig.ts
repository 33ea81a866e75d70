import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RoleKey } from '@tensorloop/db/roles';
import { seed } from '@tensorloop/db/seed';
import type { ManagedServer } from '@tensorloop/servers/managed-server';
import { findFreePort } from '@tensorloop/servers/ports';
import { GATEWAY_NODE_ARGS, startService } from '@tensorloop/servers/service';
import { type Stack, startStack } from '@tensorloop/servers/stack';
import { readJournal } from '../audit/journal-checks.js';
import { ReplayAccount } from '../replay/replay-account.js';
import { otherCpus, pin, TESTED_CPU, yieldToOthers } from './cpus.js';
import { inheritedEnv, prepareDatabase, randomSecret } from './private-database.js';

const ROOT = join(import.meta.dirname, '../../..');
const DATA = join(ROOT, '.data', 'bench');
/** Calls that metering has not taken are bounded per account, so a burst needs several. */
const ACCOUNTS = 4;
const BOOKED_MS_MAX = 300_000;
const BOOKED_POLL_MS = 250;

interface RigParts {
  stack: Stack;
  urls: Record<RoleKey, string>;
  pepper: string;
  /** Serves peers and has a record of its own: the audited one must contain our calls alone. */
  peersUpstreamUrl: string;
  /** What is to be stopped, in the order of its start. */
  running: ManagedServer[];
}

/** Everything the bench measures with: private servers, the product as it is shipped, two simulators. */
export class Rig {
  readonly gateways: ManagedServer[] = [];
  readonly processes = new Map<string, number>();
  keys: string[] = [];
  readonly oracleFile = oracleFile('audited');

  private constructor(private readonly parts: RigParts) {}

  get stack(): Stack {
    return this.parts.stack;
  }

  get urls(): Record<RoleKey, string> {
    return this.parts.urls;
  }

  get peersUpstreamUrl(): string {
    return this.parts.peersUpstreamUrl;
  }

  static async start(profileFolder: string | null): Promise<Rig> {
    rmSync(DATA, { recursive: true, force: true });
    mkdirSync(DATA, { recursive: true });
    const stack = await startStack({ folder: join(DATA, 'servers'), purpose: 'durable' });
    const running: ManagedServer[] = [];
    try {
      const urls = await prepareDatabase(stack.postgresUrl);
      for (const name of ['peers', 'audited']) running.push(await startSimulator(name));
      const [peers, audited] = running as [ManagedServer, ManagedServer];
      await seed(urls.owner, { upstreamBaseUrl: `${audited.url}/v1`, credential: null });
      const rig = new Rig({ stack, urls, pepper: randomSecret(), peersUpstreamUrl: peers.url, running });
      rig.processes.set('upstream-sim', audited.pid);
      await rig.startServices(profileFolder);
      return rig;
    } catch (error) {
      for (const server of running.toReversed()) await server.stop();
      await stack.stop();
      throw error;
    }
  }

  get gatewayUrls(): string[] {
    return this.gateways.map((gateway) => gateway.url);
  }

  /** Another gateway on the same Redis, with a journal of its own. */
  async startGateway(nodeArgs: string[] = []): Promise<ManagedServer> {
    const name = this.gateways.length === 0 ? 'gateway' : `gateway-${this.gateways.length + 1}`;
    const env = { REDIS_URL: this.stack.redisUrl, KEY_PEPPER: this.parts.pepper, JOURNAL_DIR: join(DATA, name, 'journal') };
    mkdirSync(env.JOURNAL_DIR, { recursive: true });
    const gateway = await this.launch('gateway', { name, env, nodeArgs });
    pin(gateway.pid, TESTED_CPU);
    this.gateways.push(gateway);
    return gateway;
  }

  /**
   * Metering and its database work in what the load leaves: on a machine of two cores they would otherwise take the load's
   * only core, and the figure would be theirs.
   */
  yieldMetering(): void {
    for (const name of ['metering', 'PostgreSQL']) yieldToOthers(this.processes.get(name) as number);
  }

  /** Resolves once metering has booked and acknowledged every call: the next round starts even. */
  async booked(): Promise<void> {
    const deadlineMs = performance.now() + BOOKED_MS_MAX;
    while (!(await this.isBooked())) {
      if (performance.now() > deadlineMs) throw new Error(`metering did not catch up within ${BOOKED_MS_MAX} ms`);
      // Slowly: rendering its metrics costs the gateway, whose CPU time is being counted.
      await delay(BOOKED_POLL_MS);
    }
  }

  private async isBooked(): Promise<boolean> {
    for (const url of this.gatewayUrls) {
      const { entries, unacknowledged, unwritten } = await readJournal(url);
      if (entries + unacknowledged + unwritten > 0) return false;
    }
    return true;
  }

  async stop(): Promise<void> {
    for (const server of this.parts.running.toReversed()) await server.stop();
    await this.stack.stop();
  }

  private async startServices(profileFolder: string | null): Promise<void> {
    const controlPort = await findFreePort();
    const metering = await this.launch('metering', {
      env: {
        DATABASE_URL: this.urls.meteringApp,
        INGEST_DATABASE_URL: this.urls.meteringIngest,
        REDIS_URL: this.stack.redisUrl,
      },
    });
    const publicUrl = `http://127.0.0.1:${controlPort}`;
    const controlPlane = await this.launch('control-plane', {
      port: controlPort,
      env: {
        DATABASE_URL: this.urls.controlApp,
        RELAY_DATABASE_URL: this.urls.controlRelay,
        OPERATOR_DATABASE_URL: this.urls.controlOperator,
        REDIS_URL: this.stack.redisUrl,
        KEY_PEPPER: this.parts.pepper,
        PUBLIC_URL: publicUrl,
        GATEWAY_URL: publicUrl,
      },
    });
    const profile = profileFolder === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`];
    const gateway = await this.startGateway(profile);
    for (const server of [...this.parts.running, ...this.stack.servers]) if (server !== gateway) pin(server.pid, otherCpus());
    this.noteProcess('gateway', gateway);
    this.noteProcess('metering', metering);
    for (const server of this.stack.servers) this.noteProcess(server.name, server);
    await this.makeKeys(gateway.url, controlPlane.url);
  }

  private noteProcess(name: string, server: ManagedServer): void {
    this.processes.set(name, server.pid);
  }

  private async makeKeys(gatewayUrl: string, controlPlaneUrl: string): Promise<void> {
    const installation = {
      gatewayUrl,
      controlPlaneUrl,
      ownerDatabaseUrl: this.urls.owner,
      natsUrl: this.stack.natsUrl,
      redisUrl: this.stack.redisUrl,
      oracleFile: this.oracleFile,
      pids: {},
    };
    for (let index = 0; index < ACCOUNTS; index++) {
      const account = await ReplayAccount.create(installation);
      this.keys.push(...account.keys.map((key) => key.key));
    }
  }

  private async launch(app: string, options: LaunchOptions): Promise<ManagedServer> {
    const { name = app, env, nodeArgs = [], port } = options;
    const service = await startService({
      name,
      folder: join(DATA, name),
      main: join(ROOT, 'apps', app, 'dist', 'main.js'),
      nodeArgs: [...nodeArgs, '--enable-source-maps', ...(app === 'gateway' ? GATEWAY_NODE_ARGS : [])],
      env: { ...inheritedEnv(), NATS_URL: this.stack.natsUrl, NODE_ENV: 'production', ...env },
      ...(port !== undefined && { port }),
    });
    this.parts.running.push(service);
    return service;
  }
}

interface LaunchOptions {
  name?: string;
  env: Record<string, string>;
  nodeArgs?: string[];
  port?: number;
}

function oracleFile(name: string): string {
  return join(DATA, `oracle-${name}.jsonl`);
}

function startSimulator(name: string): Promise<ManagedServer> {
  return startService({
    name: `upstream-sim (${name})`,
    folder: join(DATA, `upstream-sim-${name}`),
    main: join(ROOT, 'apps', 'upstream-sim', 'dist', 'main.js'),
    env: { ...inheritedEnv(), NODE_ENV: 'production', ORACLE_FILE: oracleFile(name) },
  });
}
