import { join } from 'node:path';
import type { ManagedServer } from './managed-server.js';
import { startNats } from './nats.js';
import { startPostgres } from './postgres.js';
import { startRedis } from './redis.js';

export interface StackOptions {
  folder: string;
  /** `durable` keeps everything over restarts and power cuts; `test` trades that for speed. */
  purpose: 'durable' | 'test';
  /** Where <name>.log of each goes; without it into the server's own folder. */
  logFolder?: string;
  /** Servers that somebody else runs. They are used, never started or stopped. */
  external?: { postgresUrl?: string; natsUrl?: string; redisUrl?: string };
  warn?: (text: string) => void;
}

export interface Stack {
  /** The superuser's URL. */
  postgresUrl: string;
  natsUrl: string;
  redisUrl: string;
  /** Those that we run, in the order of their start. */
  servers: ManagedServer[];
  stop(): Promise<void>;
}

/** Starts the three servers side by side, each on a free port with its own folder below `folder`. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { folder, external = {} } = options;
  const durable = options.purpose === 'durable';
  const place = (name: string) => ({
    folder: join(folder, name),
    logFile: options.logFolder && join(options.logFolder, `${name}.log`),
  });
  const starts = [
    external.postgresUrl ? null : startPostgres({ ...place('postgres'), durability: durable ? 'disk' : 'process' }),
    external.natsUrl ? null : startNats(place('nats')),
    external.redisUrl
      ? null
      : startRedis({
          ...place('redis'),
          persistence: durable ? 'append-only' : 'none',
          ...(options.warn && { warn: options.warn }),
        }),
  ];
  const outcomes = await Promise.allSettled(starts);
  const servers = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' && outcome.value ? [outcome.value] : []));
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure) {
    await stop();
    throw failure.reason;
  }
  const urlOf = (name: string) => servers.find((server) => server.name === name)?.url as string;
  return {
    postgresUrl: external.postgresUrl ?? urlOf('PostgreSQL'),
    natsUrl: external.natsUrl ?? urlOf('NATS'),
    redisUrl: external.redisUrl ?? urlOf('Redis'),
    servers,
    stop,
  };
}
