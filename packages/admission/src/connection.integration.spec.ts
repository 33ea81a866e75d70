import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { startTestRedis, TEST_REDIS_CALL_MS, type TestServer } from '@tensorloop/testing/servers';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { Redis } from 'ioredis';
import { callOf, keyAt } from '../test/fixture.js';
import { AdmissionUnavailableError } from './admission.types.js';
import { AdmissionClient } from './admission-client.js';
import { CLOCK_MARGIN_MS } from './clock-margin.js';
import { hotPathRedisOptions } from './redis-options.js';
import { LIBRARIES_KEPT_MAX } from './script-library.js';

const STARTUP_TIMEOUT_MS = 20_000;

describe('a connection with the options of the hot path', () => {
  let server: TestServer;
  let redis: Redis;
  let client: AdmissionClient;

  beforeEach(async () => {
    server = await startTestRedis('append-only');
    redis = new Redis(server.url, hotPathRedisOptions);
    redis.on('error', () => undefined);
    client = new AdmissionClient(redis, undefined, TEST_REDIS_CALL_MS);
    await waitUntil(() => client.runId, { what: 'the run id' });
  });

  afterEach(async () => {
    redis.disconnect();
    await server.stop();
  });

  it('fails at once while Redis is down, recovers alone, and takes the state of the earlier process for unknown', async () => {
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
  });

  it('runs its scripts and functions again after the server forgot them', async () => {
    const key = keyAt(Date.now());
    await client.projectKey(key);
    const unknown = { reason: 'unknown_epoch' };
    expect(await client.admit(callOf(key))).toMatchObject(unknown);
    await redis.script('FLUSH');
    await redis.function('FLUSH');
    expect(await client.projectKey({ ...key, version: 2 })).toBe(2);
    expect(await Promise.all([client.admit(callOf(key)), client.settle(key.accountTag, uuid7(), 1n)])).toMatchObject([
      unknown,
      { outcome: 'missing' },
    ]);
  });

  it.each([
    ['called', ['-fcall', '-function']],
    ['loaded', ['-function']],
  ])('admits, settles, acknowledges and reads keys where functions may not be %s, as scripts', async (_what, denied) => {
    await redis.call('ACL', 'SETUSER', 'plain', 'on', '>secret', '~*', '&*', '+@all', ...denied);
    const plain = new Redis(server.url, { ...hotPathRedisOptions, username: 'plain', password: 'secret' });
    plain.on('error', () => undefined);
    try {
      const other = new AdmissionClient(plain, undefined, TEST_REDIS_CALL_MS);
      await waitUntil(() => other.runId, { what: 'the run id' });
      const key = keyAt(Date.now() + STARTUP_TIMEOUT_MS + CLOCK_MARGIN_MS);
      const rebuildId = await other.beginRebuild(key.accountTag, uuid7());
      await other.openEpoch({ accountTag: key.accountTag, rebuildId: rebuildId as string, expectedGatewayIds: [] });
      await other.projectKey(key);
      const [first, second, third] = [callOf(key), callOf(key), callOf(key)];
      expect(await Promise.all([other.admit(first), other.admit(second)])).toMatchObject([
        { admitted: true },
        { admitted: true },
      ]);
      const answers = await Promise.all([other.settle(key.accountTag, first.requestId, 5n), other.admit(third)]);
      expect(answers).toMatchObject([{ outcome: 'settled' }, { admitted: true, budget: { spentNanoUsd: 5n } }]);
      const found = await other.findKey(key.accountTag, key.keyHash);
      expect(found).toMatchObject({ found: true, left: { budget: { spentNanoUsd: 5n } } });
      expect(await other.release(key.accountTag, second.requestId)).toMatchObject({ outcome: 'released' });
      const settled = { accountTag: key.accountTag, requestIds: [first.requestId], totals: [] };
      expect(await other.acknowledge(settled)).toBe(1);
    } finally {
      plain.disconnect();
    }
  });

  it('leaves no more than a few libraries of other releases on the server', async () => {
    const names = async () => ((await redis.function('LIST')) as [string, string][]).map(([, name]) => name);
    const foreign = (name: string) =>
      redis.function('LOAD', `#!lua name=${name}\nredis.register_function('f_${name}', function() return 1 end)`);
    for (let release = 0; release <= LIBRARIES_KEPT_MAX; release++) await foreign(`tensorloop_admission_${release}`);
    await foreign('somebody_elses');
    await client.admit(callOf(keyAt(Date.now())));
    await waitUntil(async () => (await names()).length === 2, { what: 'old libraries to go' });
    expect(await names()).toContain('somebody_elses');
  });
});
