import { randomBytes } from 'node:crypto';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { DAY_MS, utcDay } from '@tensorloop/kernel/budget-window';
import { newAccountTag } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { startTestRedis, TEST_REDIS_CALL_MS, type TestServer } from '@tensorloop/testing/servers';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { Redis } from 'ioredis';
import type { AdmitRequest } from '../src/admission.types.js';
import { AdmissionClient } from '../src/admission-client.js';
import { AdmissionView } from '../src/admission-view.js';
import { CLOCK_MARGIN_MS } from '../src/clock-margin.js';

/** Lua that reads the time a test has set. Braces and two texts, as TIME answers. */
const TEST_CLOCK = "redis.call('HMGET', 'test:clock', 'seconds', 'micros')";
export const GATEWAY = 'gateway-1';
export const MODEL = 'gpt-4o-mini';

/** A Redis of its own, whose scripts read the time from `setNow`. */
export interface AdmissionBench {
  server: TestServer;
  redis: Redis;
  client: AdmissionClient;
  view: AdmissionView;
  setNow(ms: number): Promise<void>;
  /** What `setNow` set last. */
  now(): number;
  close(): Promise<void>;
}

export async function openBench(): Promise<AdmissionBench> {
  const server = await startTestRedis();
  const redis = new Redis(server.url);
  redis.on('error', () => undefined);
  const client = new AdmissionClient(redis, TEST_CLOCK, TEST_REDIS_CALL_MS);
  await waitUntil(() => client.runId, { what: 'the run id' });
  let nowMs = 0;
  return {
    server,
    redis,
    client,
    view: new AdmissionView(redis),
    now: () => nowMs,
    setNow: async (ms) => {
      nowMs = ms;
      await redis.hset('test:clock', { seconds: Math.floor(ms / 1_000), micros: (ms % 1_000) * 1_000 });
    },
    close: async () => {
      redis.disconnect();
      await server.stop();
    },
  };
}

/** A projection of a fresh key in a fresh account, minted at `nowMs`. */
export function keyAt(nowMs: number, changes: Partial<KeyProjection> = {}): KeyProjection {
  return {
    version: 1,
    keyHash: randomBytes(32).toString('hex'),
    keyId: uuid7(),
    accountId: uuid7(),
    accountTag: newAccountTag(),
    isRevoked: false,
    mintedAtMs: nowMs,
    expiresAtMs: nowMs + 90 * DAY_MS,
    models: [MODEL],
    budgetNanoUsd: '5000000000',
    rpm: 1_000,
    tpm: null,
    parallelMax: null,
    accountKind: 'metered',
    dailyLimitNanoUsd: null,
    ...changes,
  };
}

/**
 * Opens the account's epoch with nothing in it, and writes the key. The epoch opens as long before the key was minted as
 * clocks may differ, unless told otherwise, so that the total of its first window is known to be zero.
 */
export async function openAccount(
  bench: AdmissionBench,
  key: KeyProjection,
  openedAtMs = key.mintedAtMs - CLOCK_MARGIN_MS - 1,
): Promise<void> {
  const now = bench.now();
  const rebuildId = await bench.client.beginRebuild(key.accountTag, uuid7());
  if (rebuildId !== null) {
    await bench.setNow(openedAtMs);
    const opening = await bench.client.openEpoch({ accountTag: key.accountTag, rebuildId, expectedGatewayIds: [] });
    if (opening.outcome !== 'opened') throw new Error(`the epoch did not open: ${opening.outcome}`);
    await bench.setNow(now);
  }
  await bench.client.projectKey(key);
}

/** A fresh key in an open account, minted at the time that is set. */
export async function openKey(bench: AdmissionBench, changes: Partial<KeyProjection> = {}): Promise<KeyProjection> {
  const key = keyAt(bench.now(), changes);
  await openAccount(bench, key);
  return key;
}

/** A call of `key` that holds 1,000,000 nano-USD, all or nothing. */
export function callOf(key: KeyProjection, changes: Partial<AdmitRequest> = {}): AdmitRequest {
  const holdNanoUsd = changes.holdNanoUsd ?? 1_000_000n;
  return {
    accountTag: key.accountTag,
    keyHash: key.keyHash,
    requestId: uuid7(),
    gatewayId: GATEWAY,
    model: MODEL,
    holdNanoUsd,
    holdMinNanoUsd: holdNanoUsd,
    priceFromMs: 0,
    priceToMs: null,
    ...changes,
  };
}

export function startOfDay(ms: number): number {
  return Date.parse(utcDay(ms));
}
