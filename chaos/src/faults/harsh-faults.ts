import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { GATEWAYS_BUCKET, SNAPSHOTS_BUCKET } from '@tensorloop/contracts/subjects';
import { GATEWAYS, METERINGS, type PartName, SERVERS, SERVICES, type ServiceName } from '../topology/parts.js';
import { processTree } from '../topology/process-tree.js';
import { type FaultContext, FaultHadNoEffect, type FaultKind } from './fault.types.js';
import { withNats } from './nats-access.js';
import { noteDeath, startAgain } from './restart.js';

const EVERYTHING: readonly PartName[] = [...SERVERS, ...SERVICES];
const SPAWN_POLLS_MAX = 200;
const SPAWN_POLL_MS = 5;
/** JetStream keeps a bucket in a stream of this prefix. */
const BUCKET_STREAM = 'KV_';

function killTogether(kind: string, parts: readonly PartName[], weight: number): FaultKind {
  return {
    kind,
    weight,
    draw: (random) => ({ target: parts.join('+'), holdMs: random.between(0, 3_000), detail: {} }),
    locks: () => [...parts],
    inject: async (context) => {
      const areGone = parts.map((name) => noteDeath(context, name));
      await Promise.all(parts.map((name) => context.installation.part(name).kill()));
      for (const isGone of areGone) isGone();
      return async () => {
        // Nobody waits for anybody, as after a power cut.
        const outcomes = await Promise.allSettled(parts.map((name) => startAgain(context, name)));
        const failure = outcomes.find((outcome) => outcome.status === 'rejected');
        if (failure) throw failure.reason;
      };
    },
  };
}

/** Dies again while it is still putting right what its first death left. */
function killTwice(kind: string, parts: readonly ServiceName[], weight: number): FaultKind {
  return {
    kind,
    weight,
    draw: (random) => ({
      target: random.pick(parts),
      holdMs: random.between(0, 500),
      detail: { againAfterMs: random.between(100, 1_500) },
    }),
    locks: ({ target }) => [target],
    inject: async (context, { target, detail }) => {
      const name = target as ServiceName;
      const isGone = noteDeath(context, name);
      await context.installation.part(name).kill();
      isGone();
      return async () => {
        const start = context.installation
          .part(name)
          .restart()
          .catch(() => undefined);
        const pid = await spawned(context.installation.part(name).port);
        if (pid !== null) await delay(Number(detail.againAfterMs));
        const isGoneAgain = noteDeath(context, name);
        const isKilled = pid !== null && killQuietly(pid);
        await start;
        isGoneAgain();
        await startAgain(context, name);
        if (!isKilled) throw new FaultHadNoEffect('it did not die a second time');
      };
    },
  };
}

/** The process that has just been started to listen on that port: its parent knows it only once it answers. */
async function spawned(port: number): Promise<number | null> {
  for (let polls = 0; polls < SPAWN_POLLS_MAX; polls++) {
    const pid = processTree(process.pid).find((candidate) => environmentOf(candidate).includes(`\0PORT=${port}\0`));
    if (pid !== undefined) return pid;
    await delay(SPAWN_POLL_MS);
  }
  return null;
}

function environmentOf(pid: number): string {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`;
  } catch {
    return '';
  }
}

function killQuietly(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false; // It had not got that far.
  }
}

/** The stream, metering's place in it, prices, models, heartbeats: all gone when it comes back. */
const loseNats: FaultKind = {
  kind: 'lose NATS with its data',
  weight: 2,
  draw: (random) => ({ target: 'nats', holdMs: random.between(0, 3_000), detail: {} }),
  locks: () => ['nats'],
  inject: async (context) => {
    context.facts.streamDeletedAtMs.push(Date.now());
    await context.installation.part('nats').kill();
    context.facts.streamDeletedAtMs.push(Date.now());
    rmSync(join(context.installation.folder, 'nats', 'store'), { recursive: true, force: true });
    return () => startAgain(context, 'nats');
  },
};

const deleteBuckets: FaultKind = {
  kind: 'delete buckets',
  weight: 2,
  draw: (random) => ({ target: 'nats', holdMs: 0, detail: { bucket: random.pick([GATEWAYS_BUCKET, SNAPSHOTS_BUCKET]) } }),
  locks: () => ['nats'],
  inject: async ({ installation }: FaultContext, { detail }) => {
    await withNats(installation, async (connection) => {
      await (await jetstreamManager(connection)).streams.delete(`${BUCKET_STREAM}${detail.bucket}`);
    });
    return async () => undefined;
  },
};

export const HARSH_FAULTS: readonly FaultKind[] = [
  killTogether('power cut', EVERYTHING, 3),
  killTogether('kill both gateways', GATEWAYS, 3),
  killTogether('kill both meterings and PostgreSQL', [...METERINGS, 'postgres'], 2),
  killTogether('kill Redis and both gateways', [...GATEWAYS, 'redis'], 3),
  killTwice('kill gateway twice', GATEWAYS, 5),
  killTwice('kill metering twice', METERINGS, 3),
  loseNats,
  deleteBuckets,
];
