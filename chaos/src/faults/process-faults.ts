import { statSync } from 'node:fs';
import { isGone } from '@tensorloop/servers/pids';
import { poll } from '@tensorloop/servers/poll';
import { GATEWAYS, METERINGS, type PartName, SERVICES } from '../topology/parts.js';
import { signalTree } from '../topology/process-tree.js';
import type { FaultKind } from './fault.types.js';
import { readFrom } from './log-file.js';
import { noteDeath, startAgain } from './restart.js';

type Group = 'gateway' | 'metering' | 'control plane' | 'NATS' | 'Redis' | 'PostgreSQL';

const GROUPS: Record<Group, readonly PartName[]> = {
  gateway: GATEWAYS,
  metering: METERINGS,
  'control plane': ['control-plane'],
  NATS: ['nats'],
  Redis: ['redis'],
  PostgreSQL: ['postgres'],
};

const DOWN_MS = { min: 0, max: 5_000 };
const STILL_MS = { min: 400, max: 7_000 };

function partFault(
  verb: string,
  group: Group,
  fault: Pick<FaultKind, 'weight' | 'inject'> & { holdMs: typeof DOWN_MS },
): FaultKind {
  return {
    kind: `${verb} ${group}`,
    weight: fault.weight,
    draw: (random) => ({
      target: random.pick(GROUPS[group]),
      holdMs: random.between(fault.holdMs.min, fault.holdMs.max),
      detail: {},
    }),
    locks: ({ target }) => [target],
    inject: fault.inject,
  };
}

/** kill -9: nothing is flushed, nobody is told. Its data stays. */
function kill(group: Group, weight: number): FaultKind {
  return partFault('kill', group, {
    weight,
    holdMs: DOWN_MS,
    inject: async (context, { target }) => {
      const isDead = noteDeath(context, target);
      await context.installation.part(target as PartName).kill();
      isDead();
      return () => startAgain(context, target as PartName);
    },
  });
}

/** SIGTERM: an orderly end, calls under way first. */
function end(group: Group, weight: number): FaultKind {
  return partFault('end', group, {
    weight,
    holdMs: DOWN_MS,
    inject: async (context, { target }) => {
      const isDead = noteDeath(context, target);
      await context.installation.part(target as PartName).stop();
      isDead();
      return () => startAgain(context, target as PartName);
    },
  });
}

/** SIGSTOP: alive for the kernel, which still takes its connections, and silent. */
function still(group: Group, weight: number): FaultKind {
  return partFault('stop', group, {
    weight,
    holdMs: STILL_MS,
    inject: async (context, { target }) => {
      const { pid } = context.installation.part(target as PartName);
      signalTree(pid, 'SIGSTOP');
      return async () => {
        signalTree(pid, 'SIGCONT');
        if (isGone(pid)) context.log(`FINDING: ${target} ended while it stood still`);
      };
    },
  });
}

/** What a gateway says once it has ended its open calls. */
const FENCED_LINE = 'stood still for longer';
const WAKE_MS_MAX = 5_000;

/** For longer than others wait: they may rebuild accounts without it, and it has to end what it had open when it wakes. */
const standPastFence: FaultKind = {
  ...partFault('stop', 'gateway', {
    weight: 3,
    holdMs: { min: 35_000, max: 45_000 },
    inject: async (context, { target }) => {
      const { pid, logFile } = context.installation.part(target as PartName);
      const logFrom = statSync(logFile).size;
      signalTree(pid, 'SIGSTOP');
      const wakes = context.facts.gatewayStands(target);
      return async () => {
        wakes();
        signalTree(pid, 'SIGCONT');
        await poll(async () => readFrom(logFile, logFrom).includes(FENCED_LINE), {
          timeoutMs: WAKE_MS_MAX,
          failure: 'it did not end its open calls',
        }).catch(() => context.log(`FINDING: ${target} did not notice that it had stood still`));
      };
    },
  }),
  kind: 'stop gateway past its fence',
};

/** PostgreSQL's own "immediate shutdown": every backend quits on the spot, recovery at the next start. */
const quitPostgres = partFault('quit', 'PostgreSQL', {
  weight: 7,
  holdMs: DOWN_MS,
  inject: async (context) => {
    const server = context.installation.part('postgres');
    process.kill(server.pid, 'SIGQUIT');
    await server.exited;
    return () => startAgain(context, 'postgres');
  },
});

export const PROCESS_FAULTS: readonly FaultKind[] = [
  kill('gateway', 16),
  kill('metering', 10),
  kill('control plane', 4),
  kill('NATS', 7),
  kill('Redis', 6),
  end('gateway', 5),
  end('metering', 4),
  end('control plane', 2),
  end('NATS', 3),
  end('Redis', 3),
  end('PostgreSQL', 3),
  still('gateway', 6),
  still('metering', 5),
  still('control plane', 2),
  still('NATS', 4),
  still('Redis', 5),
  still('PostgreSQL', 4),
  quitPostgres,
  standPastFence,
];

/** Everything that could have been left standing or dead runs again. */
export async function wakeAll(parts: (name: PartName) => { pid: number }): Promise<void> {
  for (const name of [...SERVICES, 'postgres', 'nats', 'redis'] as const) signalTree(parts(name).pid, 'SIGCONT');
}
