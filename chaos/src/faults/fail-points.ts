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
const FIRE_TIMEOUT_MS = 20_000;
/** Longer than a start may take before it is given up. */
const START_MS_MAX = 40_000;
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
    const isDead = noteDeath(context, target);
    await context.installation.part(target).kill();
    isDead();
    const environment = context.installation.environments.of(target);
    environment.FAIL_POINTS = `${point}=${action}@${passing}`;
    // In force at this start alone, also where it fails: whoever starts the service again wants it whole.
    const start = startArmed(context, target, String(point));
    const pid = await start.firedPid.finally(() => {
      delete environment.FAIL_POINTS;
    });
    if (pid !== null) {
      context.facts.failPointFired(`${point}=${action}`);
      return harmed(context, { target, action: String(action), pid, start });
    }
    await start.settle();
    // It must not die of it when nobody waits for that any more.
    await restartDead(context, target);
    throw new FaultHadNoEffect(`${point} was not passed`);
  },
};

async function restartDead(context: FaultContext, target: ServiceName): Promise<void> {
  const isDead = noteDeath(context, target);
  await context.installation.part(target).kill();
  isDead();
  await startAgain(context, target);
}

interface ArmedStart {
  /** Whose point was passed, be it before the process was ready: what the last run left passes several. Null = not passed. */
  firedPid: Promise<number | null>;
  /** Waits for the start to be over. One that failed although nothing was to end it is a finding, and is made good for. */
  settle(): Promise<void>;
  /** The same where the process was to end. */
  over: Promise<unknown>;
}

function startArmed(context: FaultContext, target: ServiceName, point: string): ArmedStart {
  const server = context.installation.part(target);
  const logFrom = statSync(server.logFile).size;
  const pidFired = () => firedPid(readFrom(server.logFile, logFrom), point);
  let isOver = false;
  const over: Promise<Error | null> = server.restart().then(
    () => null,
    (error: Error) => error,
  );
  void over.then((error) => {
    isOver = true;
    // The control plane passes its points only when a key changes.
    if (error === null && target === 'control-plane') void context.tenants.accounts.open.mint().catch(() => undefined);
  });
  const waits = async (): Promise<number | null> => {
    const isFired = async () => pidFired() !== null;
    await poll(async () => isOver || (await isFired()), { timeoutMs: START_MS_MAX, failure: `${target} did not start` });
    // With nothing to do a process may never come by.
    const after = { timeoutMs: FIRE_TIMEOUT_MS, failure: 'not passed' };
    if ((await isFired()) || (await over) === null) await poll(isFired, after).catch(() => undefined);
    return pidFired();
  };
  const settle = async () => {
    const error = await over;
    if (error === null) return;
    context.log(`FINDING: ${target} did not come up: ${error.message}`);
    await startAgain(context, target);
  };
  return { firedPid: waits(), settle, over };
}

/** The process that says that it passed the point. */
function firedPid(log: string, point: string): number | null {
  const line = log.split('\n').find((one) => one.includes(`"failPoint":"${point}"`));
  const [, pid] = /"pid":(\d+)/.exec(line ?? '') ?? [];
  return pid === undefined ? null : Number(pid);
}

interface Harm {
  target: ServiceName;
  action: string;
  pid: number;
  start: ArmedStart;
}

async function harmed(context: FaultContext, { target, action, pid, start }: Harm): Promise<Heal> {
  // Thrown where nobody could know what to do about it, an error ends the process as well: that is a death like any other.
  if (action === 'error' && !(await endsOf(pid))) return () => start.settle();
  // Who only stands still cuts nothing. It may stand before it was ready, and goes on with that when it wakes.
  if (action === 'stop') {
    return async () => {
      process.kill(pid, 'SIGCONT');
      await start.settle();
    };
  }
  const isDead = noteDeath(context, target);
  await poll(async () => isGone(pid), { timeoutMs: FIRE_TIMEOUT_MS, failure: `${target} did not end at its fail point` });
  isDead();
  return async () => {
    await start.over;
    await startAgain(context, target);
  };
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
