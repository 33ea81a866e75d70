import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type EmptyDatabase, startEmptyDatabase } from './database.fixture.js';
import { type Migration, migrate, readMigrations } from './migrate.js';
import { seed } from './seed.js';

let database: EmptyDatabase;
beforeAll(async () => {
  database = await startEmptyDatabase();
});
afterAll(async () => {
  await database.close();
});

function migration(name: string, sql: string): Migration {
  return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
}

async function history() {
  const owner = await database.connect('owner');
  const { rows } = await owner.query(
    'SELECT migration_name, checksum, finished_at IS NOT NULL AS finished, applied_steps_count, logs FROM _prisma_migrations ORDER BY migration_name',
  );
  return rows;
}

describe('migrate', () => {
  it('applies each migration once when two processes start together, and nothing on a rerun', async () => {
    const [first, second] = await Promise.all([migrate(database.urls.owner), migrate(database.urls.owner)]);
    const all = (await readMigrations()).map(({ name }) => name);
    expect(all.length).toBeGreaterThanOrEqual(2);
    expect([...first, ...second]).toEqual(all);
    expect(await migrate(database.urls.owner)).toEqual([]);
    expect(await history()).toEqual(
      (await readMigrations()).map(({ name, checksum }) => ({
        migration_name: name,
        checksum,
        finished: true,
        applied_steps_count: 1,
        logs: null,
      })),
    );
  });

  it('seeds the same twice, and follows a change of provider', async () => {
    const owner = await database.connect('owner');
    const prices = async () => (await owner.query('SELECT * FROM metering.price_versions ORDER BY id')).rows;
    await seed(database.urls.owner, { upstreamBaseUrl: 'http://127.0.0.1:4900/v1', credential: null });
    const before = await prices();
    expect(before.length).toBeGreaterThanOrEqual(11);
    await seed(database.urls.owner, { upstreamBaseUrl: 'https://api.openai.com/v1', credential: 'env:OPENAI_API_KEY' });
    expect(await prices()).toEqual(before);
    const { rows } = await owner.query(
      'SELECT DISTINCT provider, base_url, credential FROM control.deployments ORDER BY provider',
    );
    expect(rows).toEqual([
      { provider: 'anthropic', base_url: 'https://api.anthropic.com/v1', credential: 'env:ANTHROPIC_API_KEY' },
      { provider: 'openai', base_url: 'https://api.openai.com/v1', credential: 'env:OPENAI_API_KEY' },
    ]);
  });

  it('refuses an edited migration', async () => {
    const [first, ...rest] = await readMigrations();
    const edited = migration(first?.name ?? '', '-- something else');
    await expect(migrate(database.urls.owner, [edited, ...rest])).rejects.toThrow('was edited after it was applied');
  });

  it('applies a failing migration not at all, and stops there until it is repaired', async () => {
    const all = await readMigrations();
    const broken = migration('20991231000000_broken', 'CREATE TABLE half_done (id int); SELECT 1/0;');
    await expect(migrate(database.urls.owner, [...all, broken])).rejects.toThrow('division by zero');
    const owner = await database.connect('owner');
    expect((await owner.query("SELECT to_regclass('half_done') AS found")).rows).toEqual([{ found: null }]);
    const repaired = migration('20991231000001_later', 'SELECT 1');
    await expect(migrate(database.urls.owner, [...all, broken, repaired])).rejects.toThrow('failed earlier');
    await owner.query("UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '20991231000000_broken'");
    expect(await migrate(database.urls.owner, [...all, repaired])).toEqual(['20991231000001_later']);
  });

  it('killed in the middle leaves nothing behind, and the next start applies it', async () => {
    const all = (await readMigrations()).concat(migration('20991231000001_later', 'SELECT 1'));
    const name = '20991231000002_killed';
    const killed = migration(name, 'CREATE TABLE half_way (id int); SELECT pg_terminate_backend(pg_backend_pid());');
    await expect(migrate(database.urls.owner, [...all, killed])).rejects.toThrow();
    expect(await migrate(database.urls.owner, [...all, migration(name, 'CREATE TABLE half_way (id int)')])).toEqual([name]);
  });
});
