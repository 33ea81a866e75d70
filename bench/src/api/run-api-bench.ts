import { randomBytes } from 'node:crypto';
import { keyMintedSchema } from '@tensorloop/contracts/api/keys';
import { projectSchema } from '@tensorloop/contracts/api/projects';
import { activityPageSchema, meSchema } from '@tensorloop/contracts/dashboard-api';
import { setAccountPlan } from '@tensorloop/db/operator';
import { describeMachine } from '../bench/machine.js';
import type { ApiBenchReport, FilledAccount } from './api.types.js';
import { ApiInstallation } from './api-installation.js';
import type { ApiBenchOptions } from './api-options.js';
import { DashboardClient } from './dashboard-client.js';
import { busyEndpoints, type Known, otherEndpoints } from './endpoints.js';
import { measureEndpoint } from './measure-endpoints.js';
import { measureSignIn } from './measure-sign-in.js';
import { countFilled, fillUsage } from './usage-filling.js';

const KEYS = 20;
const PROJECTS = 3;
/** The operator's plan for load runs: its ceilings are out of reach. */
const PLAN = 'internal';
const PASSWORD_BYTES = 18;
const MS_PER_SECOND = 1_000;
const DAY_MS = 86_400_000;
const DEEP_DAYS = 45;

export interface Running {
  say: (line: string) => void;
  /** With `holds`: resolves when everything may be stopped. */
  held: (installation: ApiInstallation) => Promise<void>;
}

export async function runApiBench(options: ApiBenchOptions, command: string, { say, held }: Running): Promise<ApiBenchReport> {
  const machine = describeMachine();
  const startedAt = new Date().toISOString();
  say('starting servers, control plane and metering');
  const installation = await ApiInstallation.start();
  const client = new DashboardClient(installation.url, options.connections);
  const credentials = { email: 'bench@example.com', password: randomBytes(PASSWORD_BYTES).toString('base64url') };
  try {
    const account = await signUp(client, credentials, installation.ownerDatabaseUrl);
    say(`filling in ${options.rows} calls`);
    const fillStartedMs = performance.now();
    const rows = await installation.withDatabase(async (database) => {
      await fillUsage(database, account, options.rows);
      return countFilled(database, account.accountId, options.rows);
    });
    const fillSeconds = (performance.now() - fillStartedMs) / MS_PER_SECOND;
    say(`filled in ${Math.round(fillSeconds)} s`);
    const nowMs = Date.now();
    const known = await findKnown(client, options.rows, nowMs);
    const endpoints = [];
    for (const endpoint of [...busyEndpoints(account, known, nowMs), ...otherEndpoints(account, known, nowMs)]) {
      const figures = await measureEndpoint(client, endpoint, options);
      say(`${figures.p50Ms.toFixed(1)} / ${figures.p95Ms.toFixed(1)} ms  ${figures.name}`);
      endpoints.push(figures);
    }
    say('signing in, and being refused');
    const visitor = new DashboardClient(installation.url, KEYS);
    const signIn = await measureSignIn({ client: visitor, credentials, pid: installation.controlPlanePid });
    await visitor.close();
    if (options.holds) await held(installation);
    const busiestP95Ms = Math.max(...endpoints.filter(({ isBusy }) => isBusy).map(({ p95Ms }) => p95Ms));
    const { connections } = options;
    return { startedAt, command, machine, connections, rows, fillSeconds, endpoints, signIn, busiestP95Ms };
  } finally {
    await client.close();
    await installation.stop();
  }
}

/** As any customer does it, over HTTP; only the plan is set by the operator. */
async function signUp(client: DashboardClient, credentials: object, ownerDatabaseUrl: string): Promise<FilledAccount> {
  await client.ask('POST', '/api/auth/sign-up', credentials);
  const { account } = meSchema.parse(await client.ask('GET', '/api/me'));
  await setAccountPlan(ownerDatabaseUrl, account.id, PLAN);
  const projectIds: string[] = [];
  for (let at = 1; at <= PROJECTS; at++) {
    const project = await client.ask('POST', '/api/projects', { name: `project ${at}`, budgetUsd: '1000' });
    projectIds.push(projectSchema.parse(project).id);
  }
  const keyIds: string[] = [];
  for (let at = 1; at <= KEYS; at++) {
    keyIds.push(keyMintedSchema.parse(await client.ask('POST', '/api/keys', { name: `key ${at}` })).id);
  }
  return { accountId: account.id, keyIds, projectIds };
}

async function findKnown(client: DashboardClient, calls: number, nowMs: number): Promise<Known> {
  const first = activityPageSchema.parse(await client.ask('GET', '/api/activity'));
  const to = new Date(nowMs - DEEP_DAYS * DAY_MS).toISOString();
  const deep = activityPageSchema.parse(await client.ask('GET', `/api/activity?to=${to}`));
  const requestId = first.data[Math.floor(first.data.length / 2)]?.requestId;
  if (requestId === undefined || deep.nextCursor === null) throw new Error('the activity shows none of the calls');
  return { requestId, deepCursor: deep.nextCursor, calls };
}
