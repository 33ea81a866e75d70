import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { type EmptyDatabase, startEmptyDatabase } from './database.fixture.js';
import { createMeteringPool, withTransaction } from './metering-pool.js';

const SELECT_ALL = { name: 'select_all', text: 'SELECT * FROM public.things' };

let database: EmptyDatabase;
let owner: pg.Client;
let pool: pg.Pool;

const readAll = () => withTransaction(pool, async (tx) => (await tx.query(SELECT_ALL)).rows);
const readBackend = () =>
  withTransaction(pool, async (tx) => {
    const { rows } = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return rows[0]?.pid;
  });

beforeAll(async () => {
  database = await startEmptyDatabase();
  owner = await database.connect('owner');
  await owner.query('CREATE SCHEMA IF NOT EXISTS public');
  await owner.query('CREATE TABLE public.things (one integer)');
  await owner.query('INSERT INTO public.things VALUES (1)');
  await owner.query('GRANT USAGE ON SCHEMA public TO PUBLIC');
  await owner.query('GRANT SELECT ON public.things TO PUBLIC');
  pool = createMeteringPool(database.urls.meteringIngest, { name: 'spec', connectionsMax: 1 });
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

describe('a transaction whose prepared statement', () => {
  it('a migration changed the meaning of throws its connection away, and the next one sees the new meaning', async () => {
    expect(await readAll()).toEqual([{ one: 1 }]);
    await owner.query('ALTER TABLE public.things ADD COLUMN two integer DEFAULT 2');
    await expect(readAll()).rejects.toMatchObject({ code: '0A000' });
    expect(pool.totalCount).toBe(0);
    expect(await readAll()).toEqual([{ one: 1, two: 2 }]);
  });

  it('the server lost throws its connection away, and the next one prepares it anew', async () => {
    expect(await readAll()).toHaveLength(1);
    await withTransaction(pool, (tx) => tx.query('DEALLOCATE ALL'));
    await expect(readAll()).rejects.toMatchObject({ code: '26000' });
    expect(pool.totalCount).toBe(0);
    expect(await readAll()).toHaveLength(1);
  });

  it('has a name that another client of a transaction pooler took throws its connection away, and the next one prepares it', async () => {
    // This is what is left on a server connection that a pooler handed on; pg itself has not prepared it here.
    await withTransaction(pool, (tx) => tx.query('PREPARE select_two AS SELECT 3'));
    const readTwo = () =>
      withTransaction(pool, async (tx) => (await tx.query({ name: 'select_two', text: 'SELECT 2 AS two' })).rows);
    await expect(readTwo()).rejects.toMatchObject({ code: '42P05' });
    expect(pool.totalCount).toBe(0);
    expect(await readTwo()).toEqual([{ two: 2 }]);
  });

  it('failed for another reason keeps its connection', async () => {
    const backend = await readBackend();
    const divide = withTransaction(pool, (tx) => tx.query({ name: 'divide', text: 'SELECT 1 / $1::integer', values: [0] }));
    await expect(divide).rejects.toMatchObject({ code: '22012' });
    expect(await readBackend()).toBe(backend);
  });
});
