import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { jetstreamManager } from '@nats-io/jetstream';
import { METERING_CONSUMER, REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import { poll } from '@tensorloop/servers/poll';
import { Redis } from 'ioredis';
import { METERINGS } from '../topology/parts.js';
import type { FaultContext, FaultKind } from './fault.types.js';
import { withNats } from './nats-access.js';
import { startAgain } from './restart.js';

const BACKLOG_TIMEOUT_MS = 60_000;

/** What Redis had is gone when it comes back: counters, keys, the rate log. */
const loseRedis: FaultKind = {
  kind: 'lose Redis with its data',
  weight: 5,
  draw: (random) => ({ target: 'redis', holdMs: random.between(0, 3_000), detail: {} }),
  locks: () => ['redis'],
  inject: async (context) => {
    await context.installation.part('redis').kill();
    rmSync(join(context.installation.folder, 'redis', 'appendonlydir'), { recursive: true, force: true });
    return () => startAgain(context, 'redis');
  },
};

/** The same process, and nothing in it. */
const flushRedis: FaultKind = {
  kind: 'flush Redis',
  weight: 4,
  draw: () => ({ target: 'redis', holdMs: 0, detail: {} }),
  locks: () => ['redis'],
  inject: async ({ installation }) => {
    await flush(installation.part('redis').url);
    return async () => undefined;
  },
};

/** Every event in it, booked or not, and metering's place in it. Whoever needs it makes it again. */
const deleteStream: FaultKind = {
  kind: 'delete stream',
  weight: 4,
  draw: () => ({ target: 'nats', holdMs: 0, detail: {} }),
  locks: () => ['nats'],
  inject: async ({ installation, facts }) => {
    facts.streamDeletedAtMs.push(Date.now());
    await withNats(installation, async (connection) => {
      await (await jetstreamManager(connection)).streams.delete(REQUESTS_STREAM);
    });
    return async () => undefined;
  },
};

/** As docs/runbooks says, step by step: the database as it was some time ago, the stream delivered again, Redis emptied. */
const restorePostgres: FaultKind = {
  kind: 'restore PostgreSQL from a backup',
  weight: 1.2,
  draw: (random) => ({ target: 'postgres', holdMs: random.between(5_000, 15_000), detail: {} }),
  locks: () => ['postgres', 'redis', 'nats', 'control-plane', ...METERINGS],
  inject: async (context) => {
    const { payers } = context;
    // What is granted and minted after the backup is lost with it; that is the operator's loss and not what is examined.
    await payers.freeze();
    await backUp(context);
    return () => restore(context).finally(() => payers.thaw());
  },
};

async function backUp(context: FaultContext): Promise<void> {
  const folder = join(context.installation.folder, 'postgres');
  await context.installation.part('postgres').stop();
  await copy(join(folder, 'data'), join(folder, 'backup'));
  await startAgain(context, 'postgres');
}

async function restore(context: FaultContext): Promise<void> {
  const { installation, facts } = context;
  const folder = join(installation.folder, 'postgres');
  await Promise.all(METERINGS.map((name) => installation.part(name).stop()));
  await installation.part('postgres').stop();
  await copy(join(folder, 'backup'), join(folder, 'data'));
  facts.restoredAtMs.push(Date.now());
  await startAgain(context, 'postgres');
  await withNats(installation, async (connection) => {
    const manager = await jetstreamManager(connection);
    await manager.consumers.delete(REQUESTS_STREAM, METERING_CONSUMER);
    await startMeterings(context, { isReplaying: true });
    const isCaughtUp = async () => {
      const info = await manager.consumers.info(REQUESTS_STREAM, METERING_CONSUMER);
      return info.num_pending === 0 && info.num_ack_pending === 0;
    };
    await poll(isCaughtUp, { timeoutMs: BACKLOG_TIMEOUT_MS, failure: 'metering did not catch up after the restore' });
  });
  await flush(installation.part('redis').url);
  await startMeterings(context, { isReplaying: false });
}

/** While it replays, metering's totals are not yet what they were: nobody may be told of them. */
async function startMeterings(context: FaultContext, { isReplaying }: { isReplaying: boolean }): Promise<void> {
  for (const name of METERINGS) {
    const environment = context.installation.environments.of(name);
    if (isReplaying) environment.REPLAYING = 'true';
    else delete environment.REPLAYING;
  }
  await Promise.all(METERINGS.map((name) => startAgain(context, name)));
}

const run = promisify(execFile);

/**
 * With owners and modes: the server runs as another user. Nobody waits for it but this fault: every link passes through this process,
 * and while it stood still calls were open that their provider had long ended.
 */
async function copy(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await run('cp', ['-a', from, to]);
}

async function flush(url: string): Promise<void> {
  const redis = new Redis(url);
  try {
    await redis.flushall();
  } finally {
    redis.disconnect();
  }
}

export const STORE_FAULTS: readonly FaultKind[] = [loseRedis, flushRedis, deleteStream, restorePostgres];
