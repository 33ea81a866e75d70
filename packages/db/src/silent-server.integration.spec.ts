import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type EmptyDatabase, startEmptyDatabase } from './database.fixture.js';
import { createMeteringPool, withTransaction } from './metering-pool.js';

const SILENCE_MS = 300;

let database: EmptyDatabase;
beforeAll(async () => {
  database = await startEmptyDatabase();
});
afterAll(() => database.close());

/** A way to the server that can be cut without either side being told, as a cable is. */
async function startCable(url: string): Promise<{ url: string; cut(): void; close(): Promise<void> }> {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  let isCut = false;
  const cable = createServer((near) => {
    const far = connect(Number(port), hostname);
    sockets.push(near, far);
    near.on('data', (bytes) => isCut || far.write(bytes)).on('error', () => far.destroy());
    far.on('data', (bytes) => isCut || near.write(bytes)).on('error', () => near.destroy());
  });
  cable.listen(0, '127.0.0.1');
  await once(cable, 'listening');
  const cabled = new URL(url);
  cabled.host = `127.0.0.1:${(cable.address() as AddressInfo).port}`;
  return {
    url: cabled.toString(),
    cut: () => {
      isCut = true;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      cable.close();
    },
  };
}

it('a server that vanishes without a word fails the transaction in bounded time and costs one connection', async () => {
  const cable = await startCable(database.urls.meteringIngest);
  const pool = createMeteringPool(cable.url, { name: 'spec', connectionsMax: 1, silenceTimeoutMs: SILENCE_MS });
  const startedAtMs = performance.now();
  const cutOff = withTransaction(pool, async (tx) => {
    cable.cut();
    await tx.query('SELECT 1');
  });
  await expect(cutOff).rejects.toThrow('Query read timeout');
  expect(performance.now() - startedAtMs).toBeLessThan(10 * SILENCE_MS);
  expect(pool.totalCount).toBe(0);
  await pool.end();
  await cable.close();
});
