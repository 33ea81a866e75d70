import { isGone } from '@tensorloop/servers/pids';
import { GATEWAYS, METERINGS, type PartName, SERVICES } from '../topology/parts.js';
import { signalTree } from '../topology/process-tree.js';
import type { FaultKind } from './fault.types.js';
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
      const death = noteDeath(context, target);
      await context.installation.part(target as PartName).kill();
      death.gone();
      return () => startAgain(context, target as PartName).finally(death.back);
    },
  });
}

/** SIGTERM: an orderly end, calls under way first. */
function end(group: Group, weight: number): FaultKind {
  return partFault('end', group, {
    weight,
    holdMs: DOWN_MS,
    inject: async (context, { target }) => {
      const death = noteDeath(context, target);
      await context.installation.part(target as PartName).stop();
      death.gone();
      return () => startAgain(context, target as PartName).finally(death.back);
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
  still('gateway', 6),
  still('metering', 5),
  still('control plane', 2),
  still('NATS', 4),
  still('Redis', 5),
  still('PostgreSQL', 4),
  quitPostgres,
];

/** Everything that could have been left standing or dead runs again. */
export async function wakeAll(parts: (name: PartName) => { pid: number }): Promise<void> {
  for (const name of [...SERVICES, 'postgres', 'nats', 'redis'] as const) signalTree(parts(name).pid, 'SIGCONT');
}
