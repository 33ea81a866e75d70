import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startPostgres } from '@tensorloop/servers/postgres';
import pg from 'pg';
import { ensureRoles, type RoleKey } from './roles.js';

export interface EmptyDatabase {
  urls: Record<RoleKey, string>;
  /** A connection of one role, closed with the database. */
  connect(role: RoleKey): Promise<pg.Client>;
  close(): Promise<void>;
}

/** A PostgreSQL server of its own with one empty database and the six roles. */
export async function startEmptyDatabase(): Promise<EmptyDatabase> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tensorloop-db-'));
  const server = await startPostgres({ folder, durability: 'process' });
  const password = randomUUID();
  const urls = await ensureRoles(server.url, {
    database: 'tensorloop',
    passwords: {
      owner: password,
      controlApp: password,
      controlRelay: password,
      controlOperator: password,
      meteringApp: password,
      meteringIngest: password,
    },
  });
  const clients: pg.Client[] = [];
  return {
    urls,
    async connect(role) {
      const client = new pg.Client({ connectionString: urls[role] });
      clients.push(client);
      await client.connect();
      return client;
    },
    async close() {
      await Promise.all(clients.map((client) => client.end()));
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
