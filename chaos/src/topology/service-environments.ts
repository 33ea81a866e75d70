import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { RoleKey } from '@tensorloop/db/roles';
import type { ManagedServer } from '@tensorloop/servers/managed-server';
import type { InstallationOptions } from './installation.js';
import type { Network } from './network.js';
import { GATEWAYS, isGateway, LINKS, type LinkName, METERINGS, SERVICES, type ServerName, type ServiceName } from './parts.js';

const KEY_PEPPER = 'a pepper for the chaos suite only';
/** Shorter than in production, so that a gateway that is told to stop in mid-stream does end calls by itself. */
const DRAIN_MS = 2_000;

export interface EnvironmentInputs {
  options: InstallationOptions;
  network: Network;
  servers: Record<ServerName, ManagedServer>;
  urls: Record<RoleKey, string>;
  ports: Record<ServiceName, number>;
}

type Environment = Record<string, string | undefined>;

/**
 * The environment of each service. A service reads its own again at every start, so what is set here between two starts
 * (fail points, a clock that is off) is in force at the second.
 */
export class ServiceEnvironments {
  private readonly byName = new Map<ServiceName, Environment>(SERVICES.map((name) => [name, {}]));

  constructor(private readonly inputs: EnvironmentInputs) {}

  of(name: ServiceName): Environment {
    return this.byName.get(name) as Environment;
  }

  journalFolder(gateway: string): string {
    const { folder, journalFolders } = this.inputs.options;
    return journalFolders?.[gateway] ?? join(folder, gateway, 'journal');
  }

  /** Opens every link and says to each service where its neighbours are. */
  async connect(): Promise<void> {
    const { network, servers } = this.inputs;
    const ports = new Map<LinkName, number>();
    for (const name of LINKS) {
      const to = name.split('>')[1] as ServerName | 'upstream';
      if (to !== 'upstream') ports.set(name, await network.open(name, servers[to].port));
    }
    for (const name of SERVICES) Object.assign(this.of(name), this.common(name, ports), this.own(name, ports));
  }

  private common(name: ServiceName, ports: Map<LinkName, number>): Environment {
    return {
      HOST: '127.0.0.1',
      LOG_LEVEL: 'info',
      NATS_URL: `nats://127.0.0.1:${ports.get(`${name}>nats`)}`,
      REDIS_URL: `redis://127.0.0.1:${ports.get(`${name}>redis`)}`,
    };
  }

  private own(name: ServiceName, ports: Map<LinkName, number>): Environment {
    const { urls } = this.inputs;
    const through = (url: string) => withPort(url, ports.get(`${name}>postgres` as LinkName) ?? 0);
    const controlPlaneUrl = this.urlOf('control-plane');
    if (isGateway(name)) {
      mkdirSync(this.journalFolder(name), { recursive: true });
      const JOURNAL_DIR = this.journalFolder(name);
      return {
        KEY_PEPPER,
        JOURNAL_DIR,
        GATEWAY_ID: name,
        DRAIN_MS: String(DRAIN_MS),
        PUBLIC_URL: this.urlOf(name),
        DASHBOARD_URL: controlPlaneUrl,
      };
    }
    if ((METERINGS as readonly string[]).includes(name)) {
      return { DATABASE_URL: through(urls.meteringApp), INGEST_DATABASE_URL: through(urls.meteringIngest) };
    }
    return {
      DATABASE_URL: through(urls.controlApp),
      RELAY_DATABASE_URL: through(urls.controlRelay),
      OPERATOR_DATABASE_URL: through(urls.controlOperator),
      KEY_PEPPER,
      PUBLIC_URL: controlPlaneUrl,
      GATEWAY_URL: this.urlOf(GATEWAYS[0]),
    };
  }

  private urlOf(name: ServiceName): string {
    return `http://127.0.0.1:${this.inputs.ports[name]}`;
  }
}

function withPort(url: string, port: number): string {
  const changed = new URL(url);
  changed.port = String(port);
  return changed.toString();
}
