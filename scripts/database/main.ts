/**
 * Prepares a database: roles, migrations, seed. Idempotent. The one-shot service `migrate` of docker-compose.yml; on
 * other platforms a job that runs before a new version is rolled out.
 *
 *   SUPERUSER_DATABASE_URL  server; also creates the roles and the database, with the six *_PASSWORD variables
 *   OWNER_DATABASE_URL      instead: roles exist already, this one owns the database
 *   UPSTREAM_BASE_URL       where every seeded model is served, for example https://api.openai.com/v1
 *   UPSTREAM_CREDENTIAL     what gateways resolve, for example env:OPENAI_API_KEY; empty = none
 */
import { migrate } from '@tensorloop/db/migrate';
import { ensureRoles, type RoleKey } from '@tensorloop/db/roles';
import { seed } from '@tensorloop/db/seed';

const PASSWORD_VARIABLES: Record<RoleKey, string> = {
  owner: 'OWNER_PASSWORD',
  controlApp: 'CONTROL_APP_PASSWORD',
  controlRelay: 'CONTROL_RELAY_PASSWORD',
  controlOperator: 'CONTROL_OPERATOR_PASSWORD',
  meteringApp: 'METERING_APP_PASSWORD',
  meteringIngest: 'METERING_INGEST_PASSWORD',
};

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

async function ownerUrl(): Promise<string> {
  const superuserUrl = process.env['SUPERUSER_DATABASE_URL'];
  if (!superuserUrl) return required('OWNER_DATABASE_URL');
  const entries = Object.entries(PASSWORD_VARIABLES).map(([role, variable]) => [role, required(variable)]);
  const database = process.env['DATABASE_NAME'] || 'tensorloop';
  const urls = await ensureRoles(superuserUrl, { database, passwords: Object.fromEntries(entries) as Record<RoleKey, string> });
  return urls.owner;
}

try {
  const url = await ownerUrl();
  const applied = await migrate(url);
  await seed(url, { upstreamBaseUrl: required('UPSTREAM_BASE_URL'), credential: process.env['UPSTREAM_CREDENTIAL'] || null });
  console.log(applied.length > 0 ? `Applied ${applied.join(', ')}.` : 'The database was up to date.');
} catch (error) {
  console.error(`The database was not prepared: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
