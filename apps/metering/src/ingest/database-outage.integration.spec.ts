import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { migrate } from '@tensorloop/db/migrate';
import { ensureRoles } from '@tensorloop/db/roles';
import { startTestPostgres, type TestServer } from '@tensorloop/testing/servers';
import { newRolePasswords } from '@tensorloop/testing/shared-postgres';
import { waitUntil } from '@tensorloop/testing/wait-until';
import pg from 'pg';
import { newEvent, newTenant, PRICE } from '../testing/events.js';
import {
  insertPrice,
  publish,
  type RunningMetering,
  readSums,
  SettledEars,
  startMetering,
  startWorld,
  sumsOf,
  type World,
} from '../testing/world.js';

let world: World;
let postgres: TestServer;
let metering: RunningMetering;

/** The shared PostgreSQL of the run must not be killed: this file has one of its own. */
beforeAll(async () => {
  const shared = await startWorld();
  postgres = await startTestPostgres();
  const urls = await ensureRoles(postgres.url, { database: 'tensorloop', passwords: newRolePasswords() });
  await migrate(urls.owner);
  const superuserUrl = new URL(postgres.url);
  superuserUrl.pathname = '/tensorloop';
  const query: World['database']['query'] = async (sql, values = []) => {
    const client = new pg.Client({ connectionString: superuserUrl.toString() });
    await client.connect();
    try {
      return (await client.query(sql, values)).rows;
    } finally {
      await client.end();
    }
  };
  const environment = { ...shared.environment, DATABASE_URL: urls.meteringApp, INGEST_DATABASE_URL: urls.meteringIngest };
  world = { ...shared, database: { ...shared.database, query }, environment };
  await insertPrice(world.database, PRICE);
});

afterAll(async () => {
  await metering?.app.close();
  await world?.stop();
  await postgres?.stop();
});

describe('PostgreSQL', () => {
  it('killed with -9 while batches are booked loses and doubles nothing, quarantines nothing, and the service stays up', async () => {
    const ears = new SettledEars(world, 'gateway-1');
    const tenant = newTenant();
    const events = Array.from({ length: 3_000 }, (_, index) =>
      newEvent({ tenant, usage: { input: 1 + index, output: index % 7 } }),
    );
    metering = await startMetering(world);
    const publishing = publish(world, ...events);
    await waitUntil(async () => (await readSums(world, [tenant.accountId])).calls > 0, {
      what: 'the first batch',
    });
    await postgres.server.kill();
    await publishing;
    const readiness = await fetch(`${metering.url}/health/ready`);
    expect([readiness.status, (await fetch(`${metering.url}/health/live`)).status]).toEqual([503, 200]);
    await postgres.server.restart();
    await waitUntil(() => events.every((event) => ears.has(event.requestId)), {
      timeoutMs: 40_000,
      what: 'every settle-ack',
    });
    const charge = events.reduce((sum, event) => sum + BigInt(event.chargeNanoUsd), 0n);
    expect(await readSums(world, [tenant.accountId])).toEqual(sumsOf(charge, events.length));
    expect(await world.database.query('SELECT reason FROM metering.quarantine')).toEqual([]);
  });
});
