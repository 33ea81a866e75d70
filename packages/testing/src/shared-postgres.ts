// biome-ignore-all lint/style/noProcessEnv: Jest hands what globalSetup found out to its workers through the environment.
import { randomBytes } from 'node:crypto';
import type { ROLE_NAMES } from '@tensorloop/db/roles';
import { startPostgres } from '@tensorloop/servers/postgres';
import { makeTestFolder, removeTestFolder } from './test-folder.js';

const VARIABLE = 'TENSORLOOP_TEST_POSTGRES';

export interface SharedPostgres {
  superuserUrl: string;
  /** Roles belong to the whole server, so all databases of a run share their passwords. */
  passwords: Record<keyof typeof ROLE_NAMES, string>;
}

/** Starts the one PostgreSQL of a Jest run and tells the workers. Returns how to stop it. */
export async function startSharedPostgres(): Promise<() => Promise<void>> {
  const folder = makeTestFolder('postgres');
  const server = await startPostgres({ folder, durability: 'process' });
  process.env[VARIABLE] = JSON.stringify({ superuserUrl: server.url, passwords: newRolePasswords() } satisfies SharedPostgres);
  return async () => {
    await server.stop();
    removeTestFolder(folder);
  };
}

export function newRolePasswords(): SharedPostgres['passwords'] {
  const password = () => randomBytes(12).toString('hex');
  return {
    owner: password(),
    controlApp: password(),
    controlRelay: password(),
    controlOperator: password(),
    meteringApp: password(),
    meteringIngest: password(),
  };
}

export function sharedPostgres(): SharedPostgres {
  const text = process.env[VARIABLE];
  if (!text)
    throw new Error('No PostgreSQL was started for this run: name the file *.integration.spec.ts or put it below e2e/.');
  return JSON.parse(text) as SharedPostgres;
}
