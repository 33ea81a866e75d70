import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import { CLOCK_MARGIN_MS } from '@tensorloop/admission/clock-margin';
import { RecentAdmissions } from '@tensorloop/admission/recent-admissions';
import { hotPathRedisOptions } from '@tensorloop/admission/redis-options';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { newAccountTag } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { startTestRedis, type TestServer } from '@tensorloop/testing/servers';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { Redis } from 'ioredis';
import { testModel, testPrice } from '../../test/test-models.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';
import { RedisWrites } from '../settlement/redis-writes.service.js';
import { AdmissionGate } from './admission-gate.service.js';
import { InFlight } from './in-flight.service.js';
import { KeyLookup } from './key-lookup.js';
import { KnownKeys } from './known-keys.js';
import { withLeft } from './limits-left.service.js';
import type { Quote } from './quote.service.js';
import { RedisClock } from './redis-clock.service.js';
import { modelNotAllowed } from './refusals.service.js';
import { TotalsLookup } from './totals-lookup.js';
import { ASKING_MAX } from './waiting-line.js';

const HASH = 'a'.repeat(64);
const DAY_MS = 86_400_000;
const WAIT_MS = 25;
/** Nothing here takes as long. */
const SOON_MS = 60_000;
/** Some calls here wait for it to pass. */
const REDIS_CALL_MS = 1_000;

let server: TestServer;
let redis: Redis;
let admission: AdmissionClient;
let writes: RedisWrites;
/** What the other services answer, and what they were asked. */
let asked: string[];
let answers: { key: object; totals: (scopes: string[]) => object | Promise<object>; rebuild: () => Promise<boolean> };
let projection: KeyProjection;
let gate: AdmissionGate;
/** How long the machine sleeps between two looks at its clocks. */
let sleepMs: number;
let known: KnownKeys;
/** Keys whose calls found the epoch lost. */
let lost: string[];

beforeAll(async () => {
  server = await startTestRedis();
  redis = new Redis(server.url, hotPathRedisOptions);
  redis.on('error', () => undefined);
  admission = new AdmissionClient(redis, undefined, REDIS_CALL_MS);
  writes = new RedisWrites(admission);
  await waitUntil(() => admission.runId !== null);
});
afterAll(async () => {
  await writes.close();
  redis.disconnect();
  await server.stop();
});

beforeEach(async () => {
  const accountTag = newAccountTag();
  projection = {
    version: 1,
    keyHash: HASH,
    keyId: uuid7(),
    accountId: uuid7(),
    accountTag,
    isRevoked: false,
    mintedAtMs: Date.now() + CLOCK_MARGIN_MS + 1_000,
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
  known = new KnownKeys();
  lost = [];
  sleepMs = 0;
  let sleptMs = 0;
  const asleep = () => {
    sleptMs += sleepMs;
    return sleptMs;
  };
  answers = { key: { ok: true, found: true }, totals: totalsOf('0'), rebuild: () => openEpoch().then(() => true) };
  const rpc = {
    call: async (contract: { pattern: string }, payload: { scopes?: string[] }) => {
      asked.push(contract.pattern);
      if (payload.scopes !== undefined) return answers.totals(payload.scopes);
      if ('found' in answers.key && answers.key.found === true) await admission.projectKey(projection);
      return answers.key;
    },
  } as never;
  gate = new AdmissionGate({
    gatewayId: 'gw-1',
    admission,
    keys: new KeyLookup(rpc),
    totals: new TotalsLookup(rpc, admission, SOON_MS),
    epochs: { rebuild: () => answers.rebuild() } as never,
    writes,
    inFlight: new InFlight(),
    recent: new RecentAdmissions(),
    clock: new RedisClock(),
    known,
    restoring: { epochIsLost: (keyHash) => void lost.push(keyHash) },
    clocks: [() => performance.now(), asleep],
    waitMs: WAIT_MS,
  });
});

function totalsOf(totalNanoUsd: string) {
  return (scopes: string[]) => ({ ok: true, totals: scopes.map((scope) => ({ scope, totalNanoUsd, version: 3 })) });
}

async function openEpoch(): Promise<void> {
  const rebuildId = await admission.beginRebuild(projection.accountTag, uuid7());
  if (rebuildId !== null) await admission.openEpoch({ accountTag: projection.accountTag, rebuildId, expectedGatewayIds: [] });
}

/** A key whose window is older than its account's epoch: what was spent in it Redis does not know. */
async function mintBeforeEpoch(): Promise<void> {
  await openEpoch();
  projection.mintedAtMs = Date.now() - DAY_MS;
  await admission.projectKey(projection);
}

function quote(change: { effectiveFromMs?: number; effectiveToMs?: number | null } = {}): Quote {
  const price = { ...testPrice('gpt-4o-mini'), ...change };
  const subject = {
    version: price,
    limits: testModel('gpt-4o-mini', 'http://127.0.0.1:1'),
    shape: { promptBytes: 10, messages: 1 },
  };
  return { price, subject, holdNanoUsd: 100n, holdMinNanoUsd: 100n, predictionTokens: 0, tokens: { worst: 26, least: 26 } };
}

const ASKED = { model: 'gpt-4o-mini', askedModel: 'gpt-4o-mini', unquoted: async (problem: ApiError) => problem };

function admit(quoteAt: (nowMs: number) => Quote = () => quote()) {
  return gate.admit(
    { ...ASKED, key: { accountTag: projection.accountTag, keyHash: HASH }, requestId: uuid7(), quoteAt },
    (result) => result,
  );
}

async function codeOf(result: Promise<unknown>): Promise<string | null> {
  const value = await result;
  return isApiError(value) ? value.body.error.code : 'admitted';
}

describe('the first call of an account', () => {
  it('finds its key, has its state rebuilt, and is admitted', async () => {
    expect(await codeOf(admit())).toBe('admitted');
    expect(asked.filter((pattern) => pattern === 'control.key.project.v1').length).toBeGreaterThanOrEqual(1);
  });

  it('is remembered, so that its key can be restored after Redis was lost', async () => {
    await admit();
    expect(known.byAccount(Date.now())).toMatchObject([[{ keyHash: HASH, keyId: projection.keyId, isPrepaid: false }]]);
    expect(lost).toEqual([HASH]);
  });

  it('with a key that does not exist is a 401 and leaves no state behind', async () => {
    answers.key = { ok: true, found: false };
    expect(await codeOf(admit())).toBe('invalid_api_key');
    expect(await redis.keys(`tl:{${projection.accountTag}}*`)).toEqual([]);
  });

  it('is a 503 when the key cannot be looked up', async () => {
    answers.key = { ok: false, code: 'rpc_timeout', message: '' };
    expect(await codeOf(admit())).toBe('key_lookup_unavailable');
  });

  it('is a 503 when its state cannot be rebuilt', async () => {
    answers.rebuild = () => Promise.resolve(false);
    expect(await codeOf(admit())).toBe('admission_state_unknown');
  });
});

describe('a total that Redis does not know', () => {
  beforeEach(mintBeforeEpoch);

  it('is fetched from metering once and counts', async () => {
    answers.totals = totalsOf('999950');
    expect(await codeOf(admit())).toBe('insufficient_quota');
    expect(asked).toEqual(['metering.totals.get.v1']);
  });

  it('refuses the call when metering does not answer: unknown is not zero', async () => {
    answers.totals = () => ({ ok: false, code: 'rpc_timeout', message: '' });
    expect(await codeOf(admit())).toBe('admission_state_unknown');
  });
});

describe('what a key has left, for an answer to what is not admitted', () => {
  const find = () => gate.findKeyWithLeft({ accountTag: projection.accountTag, keyHash: HASH });

  beforeEach(mintBeforeEpoch);

  it('is fetched from metering where Redis does not know it, once', async () => {
    answers.totals = totalsOf('999950');
    const left = { rpm: { remaining: 10 }, budget: { limitNanoUsd: 1_000_000n, spentNanoUsd: 999_950n } };
    expect(await find()).toMatchObject({ found: true, left });
    expect(await find()).toMatchObject({ found: true, left });
    expect(asked).toEqual(['metering.totals.get.v1']);
  });

  it('is said with a model that the key may not use as with one that there is not: nothing tells the two apart', async () => {
    answers.totals = totalsOf('999950');
    await admission.projectKey({ ...projection, version: 2, models: ['gpt-4o'] });
    const refused = await admit();
    expect(refused).toMatchObject({ headers: { 'x-tensorloop-budget-spent-usd': '0.00099995' } });
    const found = await find();
    if (isApiError(found)) throw new Error('the key was not found');
    expect(refused).toMatchObject(withLeft(modelNotAllowed('gpt-4o-mini'), found));
  });

  it('is said as far as it is known where metering does not say more', async () => {
    answers.totals = () => ({ ok: false, code: 'rpc_unreachable', message: '' });
    const left = { rpm: { remaining: 10 }, budget: null };
    expect(await find()).toMatchObject({ found: true, left });
    expect(await admit()).toMatchObject({
      status: 503,
      body: { error: { code: 'admission_state_unknown' } },
      headers: { 'x-ratelimit-remaining-requests': '10' },
    });
  });

  it('is not worth the answer: where Redis goes away meanwhile, that is given without', async () => {
    const findKey = admission.findKey.bind(admission);
    const asking = jest.spyOn(admission, 'findKey').mockImplementationOnce(findKey).mockRejectedValueOnce(new Error('away'));
    expect(await find()).toMatchObject({ found: true, left: { budget: null } });
    expect(asking).toHaveBeenCalledTimes(2);
    asking.mockRestore();
  });

  it('is told to nobody whose key is revoked meanwhile', async () => {
    answers.totals = async (scopes) => {
      projection = { ...projection, version: 2, isRevoked: true };
      await admission.projectKey(projection);
      return totalsOf('0')(scopes);
    };
    expect(await find()).toMatchObject({ status: 401 });
  });
});

describe('what is told about how long Redis takes', () => {
  it('does not count what an account lacks there: one that is restored slowly makes nobody else wait', async () => {
    const waits: number[] = [];
    let waitingMeanwhile = -1;
    gate.onAnswered((waitedMs) => waits.push(waitedMs));
    const lookupMs = 200;
    answers.rebuild = async () => {
      waitingMeanwhile = gate.waiting;
      await new Promise((resolve) => setTimeout(resolve, lookupMs));
      await openEpoch();
      return true;
    };
    const call = admit();
    expect(gate.waiting).toBe(1);
    expect(await codeOf(call)).toBe('admitted');
    expect(waitingMeanwhile).toBe(0);
    expect(gate.waiting).toBe(0);
    expect(waits.length).toBeGreaterThanOrEqual(2);
    expect(Math.max(...waits)).toBeLessThan(lookupMs);
  });
});

describe('more calls than may ask at once', () => {
  const CALLS = 10 * ASKING_MAX;

  beforeEach(async () => {
    await openEpoch();
    projection = { ...projection, rpm: 2 * CALLS };
    await admission.projectKey(projection);
  });

  it('are all admitted, those that have to ask again before all others', async () => {
    answers.totals = totalsOf('0');
    const codes = await Promise.all(Array.from({ length: CALLS }, () => codeOf(admit())));
    expect(new Set(codes)).toEqual(new Set(['admitted']));
    expect(gate.waiting).toBe(0);
  });

  it('are all refused soon when Redis does not answer, and are admitted when it does again', async () => {
    await codeOf(admit());
    process.kill(server.server.pid, 'SIGSTOP');
    try {
      const startedMs = performance.now();
      const codes = await Promise.all(Array.from({ length: CALLS }, () => codeOf(admit())));
      expect(new Set(codes)).toEqual(new Set(['admission_unavailable']));
      // One deadline for those that asked; for those that stood in line no more.
      expect(performance.now() - startedMs).toBeLessThan(2 * REDIS_CALL_MS);
      expect(gate.waiting).toBe(0);
    } finally {
      process.kill(server.server.pid, 'SIGCONT');
    }
    await waitUntil(async () => (await codeOf(admit())) === 'admitted');
  });

  it('are not refused for one whose own call fails', async () => {
    const failing = gate.admit(
      {
        ...ASKED,
        key: { accountTag: projection.accountTag, keyHash: HASH },
        requestId: uuid7(),
        quoteAt: () => quote(),
      },
      () => {
        throw new Error('what comes after admission');
      },
    );
    const others = Promise.all(Array.from({ length: CALLS }, () => codeOf(admit())));
    expect(await failing).toMatchObject({ status: 503 });
    expect(new Set(await others)).toEqual(new Set(['admitted']));
  });
});

describe('a price that has moved', () => {
  beforeEach(async () => {
    await openEpoch();
    await admission.projectKey(projection);
  });

  it('is asked for again at the time of Redis', async () => {
    const times: number[] = [];
    const outdated = quote({ effectiveToMs: 1_000 });
    const result = admit((nowMs) => {
      times.push(nowMs);
      return times.length === 1 ? outdated : quote();
    });
    expect(await codeOf(result)).toBe('admitted');
    expect(times).toHaveLength(2);
  });

  it('again and again is a 503 in the end, not a loop', async () => {
    expect(await codeOf(admit(() => quote({ effectiveToMs: 1_000 })))).toBe('admission_state_unknown');
  });
});

describe('an admission out of the time before the machine slept', () => {
  it('is a 503, and its hold is given back', async () => {
    expect(await codeOf(admit())).toBe('admitted');
    const open = `tl:{${projection.accountTag}}:open`;
    expect(await redis.hlen(open)).toBe(1);
    sleepMs = 21_000;
    expect(await codeOf(admit())).toBe('admission_unavailable');
    await waitUntil(async () => (await redis.hlen(open)) === 1, { what: 'the hold to be given back' });
    sleepMs = 0;
    expect(await codeOf(admit())).toBe('admitted');
  });
});
