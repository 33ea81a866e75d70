import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { startTestRedis, type TestServer } from '@tensorloop/testing/servers';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { Redis } from 'ioredis';
import { callOf, keyAt } from '../test/fixture.js';
import { AdmissionUnavailableError } from './admission.types.js';
import { AdmissionClient } from './admission-client.js';
import { CLOCK_MARGIN_MS } from './clock-margin.js';
import { hotPathRedisOptions } from './redis-options.js';

const STARTUP_TIMEOUT_MS = 20_000;

describe('a connection with the options of the hot path', () => {
  let server: TestServer;
  let redis: Redis;
  let client: AdmissionClient;

  beforeEach(async () => {
    server = await startTestRedis('append-only');
    redis = new Redis(server.url, hotPathRedisOptions);
    redis.on('error', () => undefined);
    client = new AdmissionClient(redis);
    await waitUntil(() => client.runId, { what: 'the run id' });
  }, STARTUP_TIMEOUT_MS);

  afterEach(async () => {
    redis.disconnect();
    await server.stop();
  });

  it(
    'fails at once while Redis is down, recovers alone, and takes the state of the earlier process for unknown',
    async () => {
      // Minted after the epoch opens, or its window's total would be unknown.
      const key = keyAt(Date.now() + STARTUP_TIMEOUT_MS + CLOCK_MARGIN_MS);
      const firstRunId = client.runId;
      const rebuildId = await client.beginRebuild(key.accountTag, uuid7());
      await client.openEpoch({ accountTag: key.accountTag, rebuildId: rebuildId as string, expectedGatewayIds: [] });
      await client.projectKey(key);
      expect(await client.admit(callOf(key))).toMatchObject({ admitted: true });

      await server.server.kill();
      await waitUntil(() => client.runId === null, { what: 'the connection to close' });
      await expect(client.admit(callOf(key))).rejects.toThrow(AdmissionUnavailableError);

      await server.server.restart();
      await waitUntil(() => client.runId, { what: 'the new run id' });
      expect(client.runId).not.toBe(firstRunId);
      expect(await client.admit(callOf(key))).toMatchObject({ admitted: false, reason: 'unknown_epoch' });
      expect(await client.beginRebuild(key.accountTag, uuid7())).not.toBeNull();
    },
    STARTUP_TIMEOUT_MS,
  );

  it('runs its scripts again after the server forgot them', async () => {
    const key = keyAt(Date.now());
    await client.projectKey(key);
    await redis.script('FLUSH');
    expect(await client.projectKey({ ...key, version: 2 })).toBe(2);
  });
});
