/**
 * Authors a migration from the Prisma models, without a database and without Prisma's native engine:
 *
 *   npm run db:diff                    prints the SQL from the last authored migration to the models as they are now
 *   npm run db:diff -- --write <name>  writes prisma/migrations/<time>_<name>/migration.sql and moves the snapshot
 *
 * Datamodel is compared with datamodel, never with a live database: tables that Prisma does not know (metering's) would
 * otherwise be dropped. Policies, grants, checks and triggers are added to the file by hand before it is committed.
 */
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { SchemaEngine } from '@prisma/schema-engine-wasm';

const PRISMA_DIR = path.join(import.meta.dirname, '../prisma');
/** The models as of the last authored migration. Not named *.prisma: Prisma would load it beside the models. */
const SNAPSHOT = path.join(PRISMA_DIR, 'snapshot.txt');
const NAME = /^[a-z][a-z0-9_]{2,60}$/;

function currentSchema(): string {
  const models = globSync('models/*.prisma', { cwd: PRISMA_DIR }).sort();
  if (models.length === 0) throw new Error('prisma/models is empty; a diff would drop every table');
  return ['schema.prisma', ...models].map((file) => readFileSync(path.join(PRISMA_DIR, file), 'utf8')).join('\n');
}

function snapshotSchema(): string | null {
  try {
    return readFileSync(SNAPSHOT, 'utf8');
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw err;
  }
}

/** The engine asks its connection for the server version and nothing else when two datamodels are compared. */
function stubAdapter(): object {
  const ok = (value: unknown) => ({ ok: true, value });
  const queryRaw = async () => ok({ columnNames: ['version'], columnTypes: [7], rows: [['PostgreSQL 18.0']] });
  const connection = {
    provider: 'postgres',
    adapterName: 'stub',
    queryRaw,
    executeRaw: async () => ok(0),
    executeScript: async () => ok(undefined),
    getConnectionInfo: () => ok({ schemaName: 'public', supportsRelationJoins: true }),
    dispose: async () => ok(undefined),
  };
  return {
    provider: 'postgres',
    adapterName: 'stub',
    connect: async () => ok(connection),
    connectToShadowDb: async () => ok(connection),
    errorRegistry: { consumeError: () => undefined },
  };
}

async function diff(): Promise<string> {
  const snapshot = snapshotSchema();
  const container = (content: string) => ({ tag: 'schemaDatamodel' as const, files: [{ path: 'schema.prisma', content }] });
  const schema = currentSchema();
  const engine = await SchemaEngine.new({ datamodels: [['schema.prisma', schema]] }, () => undefined, stubAdapter());
  const result = await engine.diff({
    from: snapshot === null ? { tag: 'empty' } : container(snapshot),
    to: container(schema),
    script: true,
    exitCode: null,
    filters: { externalTables: [], externalEnums: [] },
  });
  return result.stdout ?? '';
}

function writeMigration(name: string, sql: string): string {
  const time = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
  const folder = path.join(PRISMA_DIR, 'migrations', `${time}_${name}`);
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'migration.sql'), sql);
  writeFileSync(SNAPSHOT, currentSchema());
  return folder;
}

const [option, name, ...rest] = process.argv.slice(2);
if (option !== undefined && (option !== '--write' || name === undefined || !NAME.test(name) || rest.length > 0)) {
  console.error('usage: npm run db:diff [-- --write <name>]   (name: lower case letters, digits and _)');
  process.exit(2);
}
const sql = await diff();
if (name === undefined) process.stdout.write(sql);
else console.log(`wrote ${writeMigration(name, sql)}; now add policies, grants and checks by hand`);
