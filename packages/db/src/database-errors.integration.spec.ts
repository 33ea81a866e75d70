import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { ManagedServer } from '@tensorloop/servers/managed-server';
import { poll } from '@tensorloop/servers/poll';
import { startPostgres } from '@tensorloop/servers/postgres';
import { ControlClient, type ControlTransaction } from './control-client.js';
import { isDatabaseUnavailable, isUniqueViolation } from './database-errors.js';
import { createMeteringPool, withTransaction } from './metering-pool.js';
import { migrate } from './migrate.js';
import { ensureRoles, type RoleKey } from './roles.js';

let server: ManagedServer;
let folder: string;
let client: ControlClient;
let urls: Record<RoleKey, string>;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tensorloop-db-'));
  server = await startPostgres({ folder, durability: 'process' });
  const passwords = {
    owner: 'o',
    controlApp: 'a',
    controlRelay: 'r',
    controlOperator: 'p',
    meteringApp: 'm',
    meteringIngest: 'i',
  };
  urls = await ensureRoles(server.url, { database: 'tensorloop', passwords });
  await migrate(urls.owner);
  client = new ControlClient(urls.controlApp);
});
afterAll(async () => {
  await client.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function errorOf(work: () => Promise<unknown>): Promise<unknown> {
  return work().then(
    () => null,
    (err: unknown) => err,
  );
}

it('a server killed in a transaction, then absent, then back: unavailable until it is back', async () => {
  const inTransaction = await errorOf(() =>
    client.withAccount(uuid7(), async (tx) => {
      await server.kill();
      return tx.key.count();
    }),
  );
  const absent = await Promise.all([
    errorOf(() => client.global.plan.count()),
    errorOf(() => client.withAccount(uuid7(), (tx) => tx.key.count())),
    errorOf(() => client.ping()),
  ]);
  expect([inTransaction, ...absent].map(isDatabaseUnavailable)).toEqual([true, true, true, true]);
  await server.restart();
  expect(await client.global.plan.count()).toBe(0);
});

it('a mistake of ours is not taken for an outage', async () => {
  const create = (user: { id: string; email: string; passwordHash: string }) =>
    client.within({ userId: user.id }, (tx) => tx.user.create({ data: user }));
  const duplicate = await errorOf(async () => {
    const user = { id: uuid7(), email: 'a@example.com', passwordHash: '$argon2id$' };
    await create(user);
    await create({ ...user, id: uuid7() });
  });
  const refused = await errorOf(() => create({ id: uuid7(), email: 'UPPER@example.com', passwordHash: '$argon2id$' }));
  expect(refused).not.toBeNull();
  expect([duplicate, refused, null, new Error('x')].map(isDatabaseUnavailable)).toEqual([false, false, false, false]);
  expect([duplicate, refused].map(isUniqueViolation)).toEqual([true, false]);
});

it.each(['a query of ours', 'a query of Prisma’s'])('a deadlock ends one of the two: unavailable, in %s', async (kind) => {
  const user = { id: uuid7(), email: `${uuid7()}@example.com`, passwordHash: '$argon2id$' };
  await client.within({ userId: user.id }, (tx) => tx.user.create({ data: user }));
  const lock = (tx: ControlTransaction) => tx.$queryRaw`SELECT pg_advisory_xact_lock(1)::text`;
  const change = (tx: ControlTransaction) =>
    kind === 'a query of ours'
      ? tx.$queryRaw`SELECT FROM control.users WHERE id = ${user.id}::uuid FOR NO KEY UPDATE`
      : tx.user.update({ where: { id: user.id }, data: { name: kind }, select: { id: true } });
  const [hasLocked, hasChanged] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const one = client.within({ userId: user.id }, async (tx) => {
    await lock(tx);
    hasLocked.resolve();
    await hasChanged.promise;
    await change(tx);
  });
  const two = client.within({ userId: user.id }, async (tx) => {
    await change(tx);
    hasChanged.resolve();
    await hasLocked.promise;
    await lock(tx);
  });
  const errors = await Promise.all([errorOf(() => one), errorOf(() => two)]);
  expect(errors.filter((err) => err !== null).map(isDatabaseUnavailable)).toEqual([true]);
});

it('idle connections of a pool outlive a server that is killed', async () => {
  const heard: string[] = [];
  const pool = createMeteringPool(urls.meteringApp, { name: 'spec', onIdleError: (err) => heard.push(err.message) });
  await pool.query('SELECT 1');
  await server.kill();
  await waitForIdleError(heard);
  await server.restart();
  expect((await pool.query('SELECT 1::bigint AS one')).rows).toEqual([{ one: 1n }]);
  await pool.end();
});

it('a connection that breaks between two queries fails its transaction and nothing else', async () => {
  const pool = createMeteringPool(urls.meteringApp, { name: 'spec', connectionsMax: 1 });
  const broken = withTransaction(pool, async (tx) => {
    const noticed = new Promise((resolve) => tx.once('error', resolve));
    await server.kill();
    await noticed;
    await tx.query('SELECT 1');
  });
  await expect(broken).rejects.toThrow('not queryable');
  await server.restart();
  expect((await pool.query('SELECT 1::bigint AS one')).rows).toEqual([{ one: 1n }]);
  await pool.end();
});

async function waitForIdleError(heard: readonly string[]): Promise<void> {
  await poll(async () => heard.length > 0, { timeoutMs: 20_000, failure: 'the pool noticed nothing' });
}
