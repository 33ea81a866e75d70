import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { RoleKey } from '@tensorloop/db/roles';
import type { ManagedServer } from '@tensorloop/servers/managed-server';
import { GATEWAY_NODE_ARGS, startService } from '@tensorloop/servers/service';
import type { Stack } from '@tensorloop/servers/stack';
import { DATA, LOGS, ROOT } from '../bootstrap/paths.mjs';
import type { StartOptions } from './options.ts';
import { controlPlaneSettings, pepperSettings, withoutControlPlaneSecrets } from './settings.ts';
import type { Secrets } from './state.ts';

export const JOURNAL_DIR = join(DATA, 'gateway', 'journal');
export const ORACLE_FILE = join(DATA, 'upstream-sim', 'oracle.jsonl');

export interface ServiceInputs {
  options: StartOptions;
  secrets: Secrets;
  stack: Stack;
  databaseUrls: Record<RoleKey, string>;
  inheritedEnv: NodeJS.ProcessEnv;
}

export interface ServiceUrls {
  gatewayUrl: string;
  controlPlaneUrl: string;
  meteringUrl: string;
  upstreamUrl: string;
}

export function serviceUrls({ ports, provider }: StartOptions): ServiceUrls {
  const url = (port: number) => `http://localhost:${port}`;
  return {
    gatewayUrl: url(ports.gateway),
    controlPlaneUrl: url(ports.controlPlane),
    meteringUrl: url(ports.metering),
    upstreamUrl: provider?.baseUrl ?? `http://127.0.0.1:${ports.upstream}/v1`,
  };
}

type Launch = (inputs: ServiceInputs) => Promise<ManagedServer>;

export const startUpstreamSim: Launch = (inputs) =>
  launch(inputs, { name: 'upstream-sim', port: inputs.options.ports.upstream, env: { ORACLE_FILE } });

export const startMetering: Launch = (inputs) => {
  const { databaseUrls, options, stack } = inputs;
  const env = {
    DATABASE_URL: databaseUrls.meteringApp,
    INGEST_DATABASE_URL: databaseUrls.meteringIngest,
    REDIS_URL: stack.redisUrl,
  };
  return launch(inputs, { name: 'metering', port: options.ports.metering, env });
};

export const startControlPlane: Launch = (inputs) => {
  const { databaseUrls, options, secrets, stack } = inputs;
  const catalogueFile = inputs.inheritedEnv['MODEL_CATALOGUE_FILE'];
  const { controlPlaneUrl, gatewayUrl } = serviceUrls(options);
  const env = {
    DATABASE_URL: databaseUrls.controlApp,
    RELAY_DATABASE_URL: databaseUrls.controlRelay,
    OPERATOR_DATABASE_URL: databaseUrls.controlOperator,
    REDIS_URL: stack.redisUrl,
    ...controlPlaneSettings(inputs.inheritedEnv),
    ...pepperSettings(inputs.inheritedEnv, secrets).controlPlane,
    PUBLIC_URL: controlPlaneUrl,
    GATEWAY_URL: gatewayUrl,
    // As the shell meant it: the service runs in a folder of its own.
    MODEL_CATALOGUE_FILE: catalogueFile && resolve(catalogueFile),
  };
  return launch(inputs, { name: 'control-plane', port: options.ports.controlPlane, env });
};

export const startGateway: Launch = (inputs) => {
  const { options, secrets, stack } = inputs;
  const { controlPlaneUrl, gatewayUrl } = serviceUrls(options);
  mkdirSync(JOURNAL_DIR, { recursive: true });
  const env = {
    REDIS_URL: stack.redisUrl,
    ...pepperSettings(inputs.inheritedEnv, secrets).gateway,
    JOURNAL_DIR,
    PUBLIC_URL: gatewayUrl,
    DASHBOARD_URL: controlPlaneUrl,
    // The gateway has no business with a database, not even with its address.
    DATABASE_URL: undefined,
  };
  return launch(inputs, { name: 'gateway', port: options.ports.gateway, env });
};

interface Service {
  name: string;
  port: number;
  env: Record<string, string | undefined>;
}

/** What every service may see of the shell's environment. Provider credentials are the gateway's alone. */
const HARMLESS = /^(PATH|HOME|TMPDIR|TZ|LANG|LC_.*|LOG_LEVEL|OTEL_.*|NODE_.*)$/;

/** Exported for its test. */
export function harmlessEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => HARMLESS.test(name)));
}

function launch({ inheritedEnv, options, stack }: ServiceInputs, { name, port, env }: Service): Promise<ManagedServer> {
  return startService({
    name,
    port,
    folder: join(DATA, name),
    logFile: join(LOGS, `${name}.log`),
    main: join(ROOT, 'apps', name, 'dist', 'main.js'),
    nodeArgs: ['--enable-source-maps', ...(name === 'gateway' ? GATEWAY_NODE_ARGS : [])],
    env: {
      ...(name === 'gateway' ? withoutControlPlaneSecrets(inheritedEnv) : harmlessEnv(inheritedEnv)),
      NODE_ENV: 'production',
      HOST: options.host,
      NATS_URL: stack.natsUrl,
      ...env,
    },
  });
}
