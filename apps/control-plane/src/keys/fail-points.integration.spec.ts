import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Key } from '@tensorloop/contracts/dashboard-api';
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
      GATEWAY_URL: config.GATEWAY_URL,
      FAIL_POINTS: failPoints,
    },
    'listening',
  );
  return String(victim.started.url).replace('[::1]', '127.0.0.1');
}

describe.each(listFailPoints('control-plane'))('a control plane killed at %s', (point) => {
  it(
    'has its change carried out by another: a revocation it never answered is in force',
    async () => {
      const { browser } = await plane.signUp();
      const { body: key } = await browser.mint();
      const dying = new TestBrowser(await spawnVictim(`${point}=kill`));
      dying.cookie = browser.cookie;
      await expect(dying.send('DELETE', `/api/keys/${key.id}`)).rejects.toThrow();
      await waitUntil(() => victim?.child.signalCode === 'SIGKILL', { what: `the death at ${point}` });
      await waitUntil(
        async () => {
          const names = await plane.redis.keys('tl:*:key:*');
          const hashes = await Promise.all(names.map((name) => plane.redis.hmget(name, 'keyId', 'revoked')));
          return hashes.some(([keyId, revoked]) => keyId === key.id && revoked === '1');
        },
        { what: 'the revocation in Redis', timeoutMs: 10_000 },
      );
      await waitUntil(async () => (await plane.database.query('SELECT FROM control.key_projection_outbox')).length === 0, {
        what: 'an empty outbox',
        timeoutMs: 10_000,
      });
      const { body } = await browser.send<{ keys: Key[] }>('GET', '/api/keys');
      expect(JSON.stringify(body)).not.toContain(`"id":"${key.id}"`);
    },
    TEST_TIMEOUT_MS,
  );
});
