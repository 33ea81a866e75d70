import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { KeyMinted, KeyPage } from '@tensorloop/contracts/api/keys';
import { listFailPoints } from '@tensorloop/nest-kit/fail-points';
import { type SourceProcess, startSource } from '@tensorloop/testing/source-process';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { PEPPER, START_TIMEOUT_MS, startControlPlane, TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';

const MAIN = join(import.meta.dirname, '../main.ts');
const TEST_TIMEOUT_MS = 30_000;

/** Its servers, and a second control plane on them in which nothing fails. */
let plane: TestControlPlane;
let victim: SourceProcess | undefined;
beforeAll(async () => {
  plane = await startControlPlane();
}, START_TIMEOUT_MS);
afterEach(() => victim?.stop('SIGKILL'));
afterAll(() => plane?.close());

async function spawnVictim(failPoints: string): Promise<string> {
  const { config } = plane.context;
  victim = await startSource(
    MAIN,
    {
      PORT: '0',
      NATS_URL: plane.nats.url,
      REDIS_URL: plane.redisServer.url,
      DATABASE_URL: config.DATABASE_URL,
      RELAY_DATABASE_URL: config.RELAY_DATABASE_URL,
      OPERATOR_DATABASE_URL: config.OPERATOR_DATABASE_URL,
      KEY_PEPPER: PEPPER,
      FAIL_POINTS: failPoints,
    },
    'listening',
  );
  return String(victim.started.url).replace('[::1]', '127.0.0.1');
}

describe.each(listFailPoints('control-plane'))('a mint whose process is killed at %s', (point) => {
  it(
    'is not made again by its repetition, which is told of the key and not of its text',
    async () => {
      const { browser } = await plane.signUp();
      const request = { body: { name: 'once' }, headers: { 'idempotency-key': randomUUID() } };
      const dying = new TestBrowser(await spawnVictim(`${point}=kill`));
      dying.cookie = browser.cookie;
      await expect(dying.send('POST', '/api/keys', request)).rejects.toThrow();
      await waitUntil(() => victim?.child.signalCode === 'SIGKILL', { what: `the death at ${point}` });
      const again = await browser.send<KeyMinted>('POST', '/api/keys', request);
      expect([again.status, again.body.key, again.headers.get('idempotency-replayed')]).toEqual([201, null, 'true']);
      const { body } = await browser.send<KeyPage>('GET', '/api/keys?include=inactive');
      expect(body.data.map(({ id }) => id)).toEqual([again.body.id]);
    },
    TEST_TIMEOUT_MS,
  );
});
