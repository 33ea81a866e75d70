import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Admission } from '@tensorloop/admission/admission.types';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import { hotPathRedisOptions } from '@tensorloop/admission/redis-options';
import { readScopeUse } from '@tensorloop/admission/scope-use';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { newAccountTag } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { startTestRedis, type TestServer } from '@tensorloop/testing/servers';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { Redis } from 'ioredis';
import { AccountRestoring } from './account-restoring.service.js';
import { KeyLookup } from './key-lookup.js';
import { KnownKeys } from './known-keys.js';
import { TotalsLookup } from './totals-lookup.js';

const DAY_MS = 86_400_000;
const AGAIN_MS = 20;

let server: TestServer;
let redis: Redis;
let admission: AdmissionClient;
let projection: KeyProjection;
let known: KnownKeys;
let restoring: AccountRestoring;
/** Questions to the other services, by their pattern. */
let asked: string[];
let areOthersAway: boolean;

beforeAll(async () => {
  server = await startTestRedis();
  redis = new Redis(server.url, hotPathRedisOptions);
  redis.on('error', () => undefined);
  admission = new AdmissionClient(redis);
  await waitUntil(() => admission.runId !== null);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

beforeEach(async () => {
  await redis.flushall();
  projection = {
    version: 1,
    keyHash: uuid7().replaceAll('-', '').padEnd(64, '0'),
    keyId: uuid7(),
    accountId: uuid7(),
    accountTag: newAccountTag(),
    isRevoked: false,
    mintedAtMs: Date.now() - DAY_MS,
    expiresAtMs: Date.now() + DAY_MS,
    models: ['gpt-4o-mini'],
    budgetNanoUsd: '1000000',
    rpm: 10,
    tpm: null,
    parallelMax: null,
    accountKind: 'metered',
    dailyLimitNanoUsd: null,
  };
  asked = [];
  areOthersAway = false;
  known = new KnownKeys();
  const call = async ({ pattern }: { pattern: string }, { scopes }: { scopes?: string[] }) => {
    asked.push(pattern);
    if (areOthersAway) return { ok: false, code: 'rpc_unreachable', message: '' };
    if (scopes !== undefined)
      return { ok: true, totals: scopes.map((scope) => ({ scope, totalNanoUsd: '900000', version: 3 })) };
    await admission.projectKey(projection);
    return { ok: true, found: true };
  };
  const rpc = { call: call as never };
  restoring = new AccountRestoring({
    admission,
    known,
    keys: new KeyLookup(rpc),
    epochs: { rebuild },
    totals: new TotalsLookup(rpc, admission),
    readScopes: (accountTag, scopes) => readScopeUse(redis, accountTag, scopes),
    nowMs: () => Date.now(),
    againMs: AGAIN_MS,
  });
});

async function rebuild(accountTag: string): Promise<boolean> {
  const rebuildId = await admission.beginRebuild(accountTag, uuid7());
  if (rebuildId !== null) await admission.openEpoch({ accountTag, rebuildId, expectedGatewayIds: [] });
  return true;
}

function admit() {
  const { accountTag, keyHash } = projection;
  return admission.admit({
    accountTag,
    keyHash,
    requestId: uuid7(),
    gatewayId: 'gw-1',
    model: 'gpt-4o-mini',
    holdNanoUsd: 60_000n,
    holdMinNanoUsd: 60_000n,
    priceFromMs: 0,
    priceToMs: null,
  });
}

/** The key as it was served before Redis lost everything. */
function noteKey(): void {
  const { keyId, accountId, mintedAtMs: windowStartMs } = projection;
  const admitted = { admittedAtMs: Date.now(), keyId, accountId, windowIndex: 0, windowStartMs, project: null, balance: null };
  known.note(projection, admitted as Admission);
}

describe('what keys in use need, after Redis lost it', () => {
  it('is there again before their next call, which is admitted while nobody else can be asked', async () => {
    noteKey();
    expect(await admit()).toMatchObject({ reason: 'unknown_epoch' });
    await restoring.all();
    areOthersAway = true;
    expect(await admit()).toMatchObject({ admitted: true, budget: { spentNanoUsd: 900_000n, heldNanoUsd: 60_000n } });
    // The truth and no guess: the second one does not fit any more.
    expect(await admit()).toMatchObject({ reason: 'budget_held' });
  });

  it('is asked for again until it can be told, and unknown meanwhile', async () => {
    noteKey();
    areOthersAway = true;
    const restored = restoring.all();
    await waitUntil(() => asked.length >= 3, { what: 'three questions' });
    expect(await admit()).toMatchObject({ admitted: false, reason: 'unknown_key' });
    areOthersAway = false;
    await restored;
    expect(await admit()).toMatchObject({ admitted: true });
  });

  it('is not asked for where Redis still knows it', async () => {
    noteKey();
    await restoring.all();
    asked = [];
    await restoring.all();
    expect(asked).toEqual([]);
  });

  it('is not asked for where the key was revoked, and the key is forgotten', async () => {
    noteKey();
    projection = { ...projection, isRevoked: true };
    await restoring.all();
    expect(asked).toEqual(['control.key.project.v1']);
    expect(known.size).toBe(0);
  });

  it('is looked for at another Redis process, and where a call of such a key finds its account’s epoch lost', async () => {
    noteKey();
    restoring.redisIsReady('another process');
    await waitUntil(async () => (await admit()).admitted, { what: 'the account to be restored' });
    await redis.flushall();
    restoring.epochIsLost('a key that was never served');
    expect(await admit()).toMatchObject({ reason: 'unknown_epoch' });
    await waitUntil(
      async () => {
        restoring.epochIsLost(projection.keyHash);
        return (await admit()).admitted;
      },
      { what: 'the account to be restored once more' },
    );
  });

  it('is given up at a shutdown', async () => {
    noteKey();
    areOthersAway = true;
    const restored = restoring.all();
    await waitUntil(() => asked.length > 0, { what: 'a question' });
    restoring.stop();
    await restored;
    expect(await admit()).toMatchObject({ admitted: false });
  });
});
