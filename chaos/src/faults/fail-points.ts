import { statSync } from 'node:fs';
import { isGone } from '@tensorloop/servers/pids';
import { poll } from '@tensorloop/servers/poll';
import { GATEWAYS, METERINGS, type ServiceName } from '../topology/parts.js';
import { type FaultContext, FaultHadNoEffect, type FaultKind, type Heal } from './fault.types.js';
import { readFrom } from './log-file.js';
import { noteDeath, startAgain } from './restart.js';

interface FailPoint {
  name: string;
  targets: readonly ServiceName[];
  /** At which passing since the start of its process. */
  passings: readonly [min: number, max: number];
}

const CALLS = [5, 40] as const;
const PIECES = [30, 300] as const;
const BATCHES = [2, 15] as const;

export const FAIL_POINTS: readonly FailPoint[] = [
  { name: 'gateway.after_admit', targets: GATEWAYS, passings: CALLS },
  { name: 'gateway.after_accepted', targets: GATEWAYS, passings: CALLS },
  { name: 'gateway.mid_stream', targets: GATEWAYS, passings: PIECES },
  { name: 'gateway.after_completed', targets: GATEWAYS, passings: CALLS },
  { name: 'gateway.after_publish', targets: GATEWAYS, passings: CALLS },
  { name: 'gateway.before_settle_ack_applied', targets: GATEWAYS, passings: BATCHES },
  { name: 'gateway.after_settle_ack_applied', targets: GATEWAYS, passings: BATCHES },
  { name: 'metering.before_commit', targets: METERINGS, passings: BATCHES },
  { name: 'metering.after_commit', targets: METERINGS, passings: BATCHES },
  { name: 'metering.after_settle_ack', targets: METERINGS, passings: BATCHES },
  { name: 'metering.after_ack', targets: METERINGS, passings: BATCHES },
  { name: 'control-plane.after_outbox_commit', targets: ['control-plane'], passings: [1, 1] },
  { name: 'control-plane.after_projection', targets: ['control-plane'], passings: [1, 1] },
];

/** Mostly the death that the point is named for; sometimes what else may happen to a process there. */
const ACTIONS = ['kill', 'kill', 'kill', 'kill', 'error', 'stop', 'exit'] as const;
const FIRE_TIMEOUT_MS = 10_000;
const ERROR_DEATH_MS_MAX = 1_000;
const SKEWS_MS = [-5_000, -3_000, 3_000, 5_000] as const;

/** The process is started with the point armed, dies there, and is started again. */
const failPoint: FaultKind = {
  kind: 'fail point',
  weight: 22,
  draw: (random) => {
    const point = random.pick(FAIL_POINTS);
    return {
      target: random.pick(point.targets),
      holdMs: random.between(0, 3_000),
      detail: {
        point: point.name,
        action: random.pick(ACTIONS),
        passing: random.between(point.passings[0], point.passings[1]),
      },
    };
  },
  locks: ({ target }) => [target],
  inject: async (context, plan) => {
    const target = plan.target as ServiceName;
    const { point, action, passing } = plan.detail;
    const environment = context.installation.environments.of(target);
    environment.FAIL_POINTS = `${point}=${action}@${passing}`;
    const logFrom = statSync(context.installation.part(target).logFile).size;
    // In force at this start alone, also where it fails: whoever starts the service again wants it whole.
    await restartDead(context, target).finally(() => {
      delete environment.FAIL_POINTS;
    });
    // The control plane passes its points only when a key changes.
    if (target === 'control-plane') void context.tenants.accounts.open.mint().catch(() => undefined);
    return armed(context, target, { point: String(point), action: String(action), logFrom });
  },
};

async function restartDead(context: FaultContext, target: ServiceName): Promise<void> {
  const isDead = noteDeath(context, target);
  await context.installation.part(target).kill();
  isDead();
  await startAgain(context, target);
}

interface Armed {
  point: string;
  action: string;
  /** Where the log of the armed process begins. */
  logFrom: number;
}

/** Waits until the point was passed, within bounds: with nothing to do a process may never come by. */
async function armed(context: FaultContext, target: ServiceName, { point, action, logFrom }: Armed): Promise<Heal> {
  const server = context.installation.part(target);
  const { pid, logFile } = server;
  const isFired = async () => readFrom(logFile, logFrom).includes(`"failPoint":"${point}"`);
  const fired = await poll(isFired, { timeoutMs: FIRE_TIMEOUT_MS, failure: 'not passed' }).then(
    () => true,
    () => false,
  );
  if (!fired) {
    // It must not die of it when nobody waits for that any more.
    await restartDead(context, target);
    throw new FaultHadNoEffect(`${point} was not passed`);
  }
  context.facts.failPointFired(`${point}=${action}`);
  // Thrown where nobody could know what to do about it, an error ends the process as well: that is a death like any other.
  if (action === 'error' && !(await endsOf(pid))) return async () => undefined;
  // Who only stands still cuts nothing.
  if (action === 'stop') return async () => void process.kill(pid, 'SIGCONT');
  const isDead = noteDeath(context, target);
  await poll(async () => isGone(pid), { timeoutMs: FIRE_TIMEOUT_MS, failure: `${target} did not end at ${point}` });
  isDead();
  return () => startAgain(context, target);
}

/** Whether a process that met an error ends of it. */
function endsOf(pid: number): Promise<boolean> {
  return poll(async () => isGone(pid), { timeoutMs: ERROR_DEATH_MS_MAX, failure: 'it lives on' }).then(
    () => true,
    () => false,
  );
}

/** From now on this gateway's clock is off; until another death of this kind sets it anew. */
const skewClock: FaultKind = {
  kind: 'skew clock of gateway',
  weight: 4,
  draw: (random) => ({ target: random.pick(GATEWAYS), holdMs: 0, detail: { skewMs: random.pick(SKEWS_MS) } }),
  locks: ({ target }) => [target],
  inject: async (context, { target, detail }) => {
    context.installation.environments.of(target as ServiceName).CLOCK_SKEW_MS = String(detail.skewMs);
    await restartDead(context, target as ServiceName);
    return async () => undefined;
  },
};

export const FAIL_POINT_FAULTS: readonly FaultKind[] = [failPoint, skewClock];
