import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from './database.js';
import { startTestNats, startTestRedis } from './servers.js';
import { waitUntil } from './wait-until.js';

describe('createTestDatabase', () => {
  let databases: TestDatabase[];

  beforeAll(async () => {
    const credential = { upstreamBaseUrl: 'http://127.0.0.1:4900/v1', credential: null };
    databases = await Promise.all([createTestDatabase({ seed: credential }), createTestDatabase()]);
  });

  afterAll(() => Promise.all(databases.map((database) => database.drop())));

  it('gives each caller a migrated database of its own', async () => {
    const counts = databases.map((database) => database.query<{ count: string }>('SELECT count(*) FROM control.plans'));
    const [seeded, empty] = (await Promise.all(counts)).map((rows) => Number(rows[0]?.count));
    expect(seeded).toBeGreaterThanOrEqual(3);
    expect(empty).toBe(0);
  });

  it('opens it to every role by its own URL', async () => {
    for (const url of Object.values(databases[0]?.urls ?? {})) {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      const { rows } = await client.query(
        'SELECT current_user AS role, rolsuper OR rolbypassrls AS free FROM pg_roles WHERE rolname = current_user',
      );
      await client.end();
      expect(rows).toEqual([{ role: new URL(url).username, free: false }]);
    }
  });
});

describe('servers of a spec file', () => {
  it('differ for each caller', async () => {
    const servers = await Promise.all([startTestNats(), startTestNats(), startTestRedis(), startTestRedis()]);
    expect(new Set(servers.map(({ url }) => url)).size).toBe(4);
    await Promise.all(servers.map((server) => server.stop()));
  });
});

describe('waitUntil', () => {
  it('returns the first truthy value', async () => {
    let calls = 0;
    expect(await waitUntil(() => (++calls === 3 ? 'third' : null))).toBe('third');
  });

  it('says what it waited for and what went wrong last', async () => {
    const waiting = waitUntil(() => Promise.reject(new Error('no row yet')), { timeoutMs: 50, what: 'the row' });
    await expect(waiting).rejects.toThrow('waited for the row, which did not come about within 50 ms: no row yet');
  });
});
