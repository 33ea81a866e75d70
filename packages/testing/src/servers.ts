import type { ManagedServer } from '@tensorloop/servers/managed-server';
import { startNats } from '@tensorloop/servers/nats';
import { startPostgres } from '@tensorloop/servers/postgres';
import { startRedis } from '@tensorloop/servers/redis';
import { makeTestFolder, removeTestFolder } from './test-folder.js';

export interface TestServer {
  url: string;
  /** For kill, restart, port and pid. */
  server: ManagedServer;
  /** Stops the server and deletes its data. */
  stop(): Promise<void>;
}

/**
 * NATS and Redis start in a tenth of a second, so every spec file that needs one has its own: streams, consumers and
 * keys of two files cannot meet, and a test may kill its server.
 */
export function startTestNats(): Promise<TestServer> {
  return inTestFolder('nats', (folder) => startNats({ folder }));
}

/** How long a call may wait for such a Redis, in ms: longer than in production, since it may have to wait for a core while other tests run. */
export const TEST_REDIS_CALL_MS = 5_000;

export function startTestRedis(persistence: 'append-only' | 'none' = 'none'): Promise<TestServer> {
  return inTestFolder('redis', (folder) => startRedis({ folder, persistence }));
}

/** A PostgreSQL to kill. Everything else takes a database on the run's shared one (`createTestDatabase`). */
export function startTestPostgres(): Promise<TestServer> {
  return inTestFolder('postgres', (folder) => startPostgres({ folder, durability: 'process' }));
}

async function inTestFolder(purpose: string, start: (folder: string) => Promise<ManagedServer>): Promise<TestServer> {
  const folder = makeTestFolder(purpose);
  const server = await start(folder);
  return {
    url: server.url,
    server,
    stop: async () => {
      await server.stop();
      removeTestFolder(folder);
    },
  };
}
