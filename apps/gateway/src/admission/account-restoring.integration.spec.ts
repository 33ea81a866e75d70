import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Admission } from '@tensorloop/admission/admission.types';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import { hotPathRedisOptions } from '@tensorloop/admission/redis-options';
import { readScopeUse } from '@tensorloop/admission/scope-use';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { newAccountTag } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { startTestRedis, TEST_REDIS_CALL_MS, type TestServer } from '@tensorloop/testing/servers';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { Redis } from 'ioredis';
import { AccountRestoring, type AccountRestoringParts } from './account-restoring.service.js';
import { KeyLookup } from './key-lookup.js';
import { KnownKeys } from './known-keys.js';
import { TotalsLookup } from './totals-lookup.js';

const DAY_MS = 86_400_000;
const AGAIN_MS = 20;
const REST_MS = 100;
/** No run here ends for it. */
const RUN_MS_AMPLE = 60_000;
const RUN_MS_SHORT = 1_000;

let server: TestServer;
let redis: Redis;
let admission: AdmissionClient;
let projection: KeyProjection;
/** All that the control plane knows, by hash. */
let projections: Map<string, KeyProjection>;
let known: KnownKeys;
let restoring: AccountRestoring;
let restoringFor: (runMsMax: number) => AccountRestoring;
/** Questions to the other services, by their pattern. */
let asked: string[];
let areOthersAway: boolean;
let isMeteringAway: boolean;
let isNatsUp: boolean;
let natsLooks: number;
/** Tags of accounts that were to be rebuilt. */
let rebuilt: string[];
/** Hashes of keys that the control plane does not answer for, until told to. */
let unanswered: Map<string, Promise<void>>;

beforeAll(async () => {
  server = await startTestRedis();
  redis = new Redis(server.url, hotPathRedisOptions);
  redis.on('error', () => undefined);
  admission = new AdmissionClient(redis, undefined, TEST_REDIS_CALL_MS);
  await waitUntil(() => admission.runId !== null);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

function newProjection(): KeyProjection {
  return {
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
}

beforeEach(async () => {
  await redis.flushall();
  projection = newProjection();
  asked = [];
  areOthersAway = false;
  isMeteringAway = false;
  isNatsUp = true;
  natsLooks = 0;
  rebuilt = [];
  unanswered = new Map();
  projections = new Map([[projection.keyHash, projection]]);
  known = new KnownKeys();
  const call = async ({ pattern }: { pattern: string }, { scopes, keyHash = '' }: { scopes?: string[]; keyHash?: string }) => {
    asked.push(pattern);
    await unanswered.get(keyHash);
    if (areOthersAway || unanswered.has(keyHash) || (isMeteringAway && scopes !== undefined))
      return { ok: false, code: 'rpc_unreachable', message: '' };
    if (scopes !== undefined)
      return { ok: true, totals: scopes.map((scope) => ({ scope, totalNanoUsd: '900000', version: 3 })) };
    const found = projections.get(keyHash);
    if (found !== undefined) await admission.projectKey(found);
    return { ok: true, found: found !== undefined };
  };
  const rpc = { call: call as never };
  const parts: AccountRestoringParts = {
    admission,
    known,
    keys: new KeyLookup(rpc),
    epochs: { rebuild },
    totals: new TotalsLookup(rpc, admission),
    readScopes: (accountTag, scopes) => readScopeUse(redis, accountTag, scopes),
    isNatsUp: () => {
      natsLooks += 1;
      return isNatsUp;
    },
    nowMs: () => Date.now(),
    againMs: AGAIN_MS,
    restMs: REST_MS,
  };
  restoringFor = (runMsMax) => new AccountRestoring({ ...parts, runMsMax });
  restoring = restoringFor(RUN_MS_AMPLE);
});

async function rebuild(accountTag: string): Promise<boolean> {
  rebuilt.push(accountTag);
  if (!isNatsUp) return false;
  const rebuildId = await admission.beginRebuild(accountTag, uuid7());
  if (rebuildId !== null) await admission.openEpoch({ accountTag, rebuildId, expectedGatewayIds: [] });
  return true;
}

function admit({ accountTag, keyHash } = projection) {
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
function noteKey(noted = projection): void {
  const { keyId, accountId, mintedAtMs: windowStartMs } = noted;
  const admitted = { admittedAtMs: Date.now(), keyId, accountId, windowIndex: 0, windowStartMs, project: null, balance: null };
  known.note(noted, admitted as Admission);
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
    expect(await admit()).toMatchObject({ admitted: false, reason: 'unknown_epoch' });
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
    projections.set(projection.keyHash, { ...projection, isRevoked: true });
    await restoring.all();
    // Once before its account is rebuilt, which takes the projection away again, and once after.
    expect(asked).toEqual(['control.key.project.v1', 'control.key.project.v1']);
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

  it('makes no state of a key that the control plane does not know any more', async () => {
    noteKey();
    projections.clear();
    await restoring.all();
    expect(await redis.keys('*')).toEqual([]);
    expect([rebuilt, known.size]).toEqual([[], 0]);
  });

  it('is not asked for while NATS is away, and then is', async () => {
    noteKey();
    isNatsUp = false;
    restoring = restoringFor(RUN_MS_SHORT);
    const restored = restoring.all();
    await waitUntil(() => natsLooks > (2 * RUN_MS_SHORT) / AGAIN_MS, { what: 'longer than a run may last' });
    expect([asked, rebuilt]).toEqual([[], []]);
    isNatsUp = true;
    await restored;
    expect(await admit()).toMatchObject({ admitted: true });
  });

  it('is asked for no longer than a run may last, of few accounts at a time, and not again with the next call', async () => {
    const count = 2_000;
    for (let account = 0; account < count; account++) noteKey(newProjection());
    noteKey();
    areOthersAway = true;
    restoring = restoringFor(RUN_MS_SHORT);
    const begunAtMs = performance.now();
    await restoring.all();
    const tookMs = performance.now() - begunAtMs;
    expect(tookMs).toBeGreaterThanOrEqual(RUN_MS_SHORT - AGAIN_MS);
    expect(tookMs).toBeLessThan(3 * RUN_MS_SHORT);
    // 50 rounds of 8 questions at most, and a few that were under way when those failed.
    expect(asked.length).toBeLessThan(count);
    const before = asked.length;
    restoring.epochIsLost(projection.keyHash);
    expect(asked).toHaveLength(before);
    areOthersAway = false;
    await waitUntil(
      async () => {
        restoring.epochIsLost(projection.keyHash);
        return (await admit()).admitted;
      },
      { what: 'another run after the rest' },
    );
  });

  it('begins anew where Redis is lost again meanwhile, without waiting for what the first run could not get', async () => {
    noteKey();
    const stuck = newProjection();
    noteKey(stuck);
    let answer: () => void = () => undefined;
    unanswered.set(stuck.keyHash, new Promise((resolve) => (answer = resolve)));
    restoring.redisIsReady('one process');
    await waitUntil(async () => (await admit()).admitted, { what: 'the account to be restored' });
    await redis.flushall();
    restoring.redisIsReady('another process');
    answer();
    await waitUntil(async () => (await admit()).admitted, { what: 'the account to be restored by the second run' });
    expect(await admit(stuck)).toMatchObject({ admitted: false });
    restoring.stop();
  });

  it('is there where another key of the account cannot be looked up', async () => {
    const other = { ...newProjection(), accountTag: projection.accountTag, accountId: projection.accountId };
    noteKey();
    // Looked at first, since it was used last.
    noteKey(other);
    unanswered.set(other.keyHash, Promise.resolve());
    void restoring.all();
    await waitUntil(() => asked.includes('metering.totals.get.v1'), { what: 'the totals of the one that was found' });
    areOthersAway = true;
    await waitUntil(async () => (await admit()).admitted, { what: 'the key to be restored' });
    restoring.stop();
  });

  it('but for totals is there while metering does not answer', async () => {
    const accounts = Array.from({ length: 20 }, newProjection);
    for (const each of accounts) projections.set(each.keyHash, each);
    for (const each of accounts) noteKey(each);
    isMeteringAway = true;
    await restoringFor(RUN_MS_SHORT).all();
    const answers = await Promise.all(accounts.map((each) => admit(each)));
    expect(new Set(answers.map((each) => !each.admitted && each.reason))).toEqual(new Set(['unknown_scope']));
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
