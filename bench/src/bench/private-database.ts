import { randomBytes } from 'node:crypto';
import { migrate } from '@tensorloop/db/migrate';
import { ensureRoles, type RoleKey } from '@tensorloop/db/roles';

export const DATABASE = 'tensorloop';
const SECRET_BYTES = 12;
/** What every service may see of the shell's environment. */
const INHERITED = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'LANG'];

/** Migrated and empty; one URL for each role. */
export async function prepareDatabase(superuserUrl: string): Promise<Record<RoleKey, string>> {
  const passwords = {
    owner: randomSecret(),
    controlApp: randomSecret(),
    controlRelay: randomSecret(),
    controlOperator: randomSecret(),
    meteringApp: randomSecret(),
    meteringIngest: randomSecret(),
  };
  const urls = await ensureRoles(superuserUrl, { database: DATABASE, passwords });
  await migrate(urls.owner);
  return urls;
}

export function randomSecret(): string {
  return randomBytes(SECRET_BYTES).toString('hex');
}

export function inheritedEnv(): Record<string, string | undefined> {
  return Object.fromEntries(INHERITED.map((name) => [name, process.env[name]]));
}
