/** `npm start`: servers, database, services, demo account; runs until Ctrl-C or `npm run stop`. Called by scripts/run.mjs. */

import { join } from 'node:path';
import { migrate } from '@tensorloop/db/migrate';
import { ensureRoles, type RoleKey } from '@tensorloop/db/roles';
import { seed } from '@tensorloop/db/seed';
import { poll } from '@tensorloop/servers/poll';
import { isPortFree } from '@tensorloop/servers/ports';
import { type Stack, startStack } from '@tensorloop/servers/stack';
import { DATA, LOGS } from '../bootstrap/paths.mjs';
import { step } from '../bootstrap/step.mjs';
import { DEMO_EMAIL, prepareDemoAccount } from './demo-account.ts';
import { readOptions, type StartOptions, StartRefused } from './options.ts';
import * as services from './services.ts';
import { describeSettings, sendsMail } from './settings.ts';
import { RunningSet } from './shutdown.ts';
import * as state from './state.ts';
import { printSummary } from './summary.ts';

const DATABASE = 'tensorloop';
/** What an earlier instance, just told to stop, may need to give its ports back. */
const PORT_WAIT_MS = 3_000;

const running = new RunningSet();

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2), process.env);
  state.claimDataFolder(options.fresh);
  endOnRequest();
  await refuseTakenPorts(options);
  const secrets = state.loadSecrets();
  const stack = await step('PostgreSQL, NATS, Redis', () => startServers(options));
  const databaseUrls = await step('database', () => prepareDatabase(options, stack, secrets));
  const inputs: services.ServiceInputs = { options, secrets, stack, databaseUrls, inheritedEnv: process.env };
  await step('services', () => startServices(inputs));
  const urls = services.serviceUrls(options);
  const apiKey = await step('demo account', () =>
    prepareDemoAccount({ ...urls, ownerDatabaseUrl: databaseUrls.owner, secrets, sendsMail: sendsMail(process.env) }),
  );
  if (running.isStopping) return;
  state.writeStackFile({
    ownerDatabaseUrl: databaseUrls.owner,
    natsUrl: stack.natsUrl,
    redisUrl: stack.redisUrl,
    keyPepper: secrets.keyPepper,
    oracleFile: options.provider ? null : services.ORACLE_FILE,
    journalDirs: [services.JOURNAL_DIR],
    pids: { start: process.pid, ...running.pids() },
  });
  const password = secrets.demoPassword;
  const startFile = { ...urls, dashboardUrl: urls.controlPlaneUrl, email: DEMO_EMAIL, password, apiKey, ready: true as const };
  state.writeStartFile(startFile);
  printSummary(startFile, options, describeSettings(process.env, secrets, urls.controlPlaneUrl));
}

function endOnRequest(): void {
  const end = () => {
    if (!running.isStopping) console.log('\nStopping.');
    void running.stop().then(() => process.exit(0));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  // The foreground parent is gone without having been able to tell.
  process.on('disconnect', end);
}

async function refuseTakenPorts({ ports, provider, host }: StartOptions): Promise<void> {
  const wanted: [string, string, number][] = [
    ['gateway', 'GATEWAY_PORT', ports.gateway],
    ['control plane', 'CONTROL_PLANE_PORT', ports.controlPlane],
    ['metering', 'METERING_PORT', ports.metering],
  ];
  if (!provider) wanted.push(['upstream simulator', 'UPSTREAM_PORT', ports.upstream]);
  for (const [name, variable, port] of wanted) {
    await poll(() => isPortFree(port, host), { timeoutMs: PORT_WAIT_MS, failure: 'taken' }).catch(() => {
      throw new StartRefused(
        `Port ${port}, which the ${name} needs, is taken. Set ${variable} to another port, or find its owner with "ss -ltnp 'sport = :${port}'" and stop it.`,
      );
    });
  }
}

async function startServers(options: StartOptions): Promise<Stack> {
  const stack = await startStack({
    folder: join(DATA, 'servers'),
    logFolder: LOGS,
    purpose: 'durable',
    external: options.external,
    warn: (text) => console.warn(`\n${text}`),
  });
  for (const server of stack.servers) running.add(server);
  return stack;
}

async function prepareDatabase(options: StartOptions, stack: Stack, secrets: state.Secrets): Promise<Record<RoleKey, string>> {
  const urls = await ensureRoles(stack.postgresUrl, { database: DATABASE, passwords: secrets.passwords });
  await migrate(urls.owner);
  await seed(urls.owner, {
    upstreamBaseUrl: services.serviceUrls(options).upstreamUrl,
    credential: options.provider?.credential ?? null,
  });
  return urls;
}

/** Side by side but for the gateway, which is started last and so stopped first. */
async function startServices(inputs: services.ServiceInputs): Promise<void> {
  const launches = [services.startMetering(inputs), services.startControlPlane(inputs)];
  if (!inputs.options.provider) launches.unshift(services.startUpstreamSim(inputs));
  const outcomes = await Promise.allSettled(launches);
  for (const outcome of outcomes) if (outcome.status === 'fulfilled') running.add(outcome.value);
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure) throw failure.reason;
  running.add(await services.startGateway(inputs));
}

try {
  await main();
} catch (error) {
  if (running.isStopping) {
    await running.stop();
    process.exit(0);
  }
  console.error(`\n${error instanceof Error ? error.message : String(error)}`);
  // A refusal comes before anything was taken; the data folder may belong to the instance that runs.
  if (!(error instanceof StartRefused) || state.ownsDataFolder()) await running.stop();
  process.exit(1);
}
