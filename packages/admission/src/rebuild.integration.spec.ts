import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { windowScope } from '@tensorloop/contracts/settle-ack';
import { DAY_MS } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { type AdmissionBench, callOf, keyAt, openAccount, openBench } from '../test/fixture.js';
import type { AccountState, Admission, AdmitRequest, PendingEntry, Reassertion } from './admission.types.js';
import { CLOCK_MARGIN_MS } from './clock-margin.js';
import { REASSERT_CHUNK } from './reassertion.js';
import { accountKey, openKey, projectionKey, scopeKey } from './redis-keys.js';

const NOW = Date.parse('2026-11-21T10:00:00Z');
let bench: AdmissionBench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());
beforeEach(() => bench.setNow(NOW));

async function flush(): Promise<void> {
  await bench.redis.flushall();
  await bench.setNow(NOW);
}

function entryOf(requestId: string, admission: Admission, settled?: bigint): PendingEntry {
  const { keyId, windowIndex, windowStartMs, day, admittedAtMs, holdNanoUsd } = admission;
  return {
    requestId,
    state: settled === undefined ? 'held' : 'settled',
    amountNanoUsd: settled ?? holdNanoUsd,
    holdNanoUsd,
    keyId,
    windowIndex,
    windowStartMs,
    day,
    admittedAtMs,
  };
}

function assertion(key: KeyProjection, rebuildId: string, changes: Partial<Reassertion> = {}): Reassertion {
  return { accountTag: key.accountTag, rebuildId, gatewayId: 'gateway-1', entries: [], recentByKey: new Map(), ...changes };
}

async function admitted(call: AdmitRequest): Promise<Admission> {
  const result = await bench.client.admit(call);
  if (!result.admitted) throw new Error(`refused: ${result.reason}`);
  return result;
}

async function beginRebuild(key: KeyProjection): Promise<string> {
  const rebuildId = await bench.client.beginRebuild(key.accountTag, uuid7());
  if (rebuildId === null) throw new Error('the epoch is open');
  return rebuildId;
}

const open = (key: KeyProjection, rebuildId: string, expectedGatewayIds: string[]) =>
  bench.client.openEpoch({ accountTag: key.accountTag, rebuildId, expectedGatewayIds });

describe('a flushed Redis', () => {
  it('is unknown, and holds the same sums after every gateway has re-asserted', async () => {
    const key = keyAt(NOW + CLOCK_MARGIN_MS + 1, { budgetNanoUsd: '10000' });
    await openAccount(bench, key);
    const [held, settled, other] = [
      callOf(key, { holdNanoUsd: 1_000n }),
      callOf(key, { holdNanoUsd: 2_000n }),
      callOf(key, { holdNanoUsd: 4_000n, gatewayId: 'gateway-2' }),
    ];
    const admissions = [await admitted(held), await admitted(settled), await admitted(other)] as const;
    await bench.client.settle(key.accountTag, settled.requestId, 1_500n);
    const before = await bench.view.inspect(key.accountTag);

    await flush();
    expect(await bench.client.admit(callOf(key))).toMatchObject({ reason: 'unknown_epoch' });
    expect(await bench.client.settle(key.accountTag, held.requestId, 1n)).toMatchObject({ outcome: 'missing' });
    const rebuildId = await beginRebuild(key);
    const mine = [entryOf(held.requestId, admissions[0]), entryOf(settled.requestId, admissions[1], 1_500n)];
    expect(await bench.client.reassert(assertion(key, rebuildId, { entries: mine }))).toBe(2);
    expect(await open(key, rebuildId, ['gateway-1', 'gateway-2'])).toEqual({
      outcome: 'waiting',
      missingGatewayIds: ['gateway-2'],
    });
    expect(await bench.client.admit(callOf(key))).toMatchObject({ reason: 'unknown_epoch' });
    const theirs = assertion(key, rebuildId, { gatewayId: 'gateway-2', entries: [entryOf(other.requestId, admissions[2])] });
    expect(await bench.client.reassert(theirs)).toBe(1);
    expect(await bench.client.reassert(theirs)).toBe(0);
    expect(await open(key, rebuildId, ['gateway-1', 'gateway-2'])).toEqual({ outcome: 'opened', openedAtMs: NOW });

    const after = await bench.view.inspect(key.accountTag);
    const pending = ({ scopes }: AccountState) =>
      scopes.map(({ scope, heldNanoUsd, settledNanoUsd }) => ({ scope, heldNanoUsd, settledNanoUsd }));
    expect(pending(after)).toEqual(pending(before));
    expect(after.scopes.map((scope) => scope.totalNanoUsd)).toEqual([null, null]);
    expect(new Set(after.open)).toEqual(new Set(before.open));
    await bench.client.projectKey(key);
    // The window begins after the epoch opened, so its total is zero and what is left is exact.
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 3_501n }))).toMatchObject({ reason: 'budget_held' });
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 3_500n }))).toMatchObject({ admitted: true });
  });

  it('asks for the total of a window that began before', async () => {
    const key = keyAt(NOW - DAY_MS);
    const rebuildId = await beginRebuild(key);
    await open(key, rebuildId, []);
    await bench.client.projectKey(key);
    expect(await bench.client.admit(callOf(key))).toMatchObject({
      reason: 'unknown_scope',
      scopes: expect.arrayContaining([windowScope(key.keyId, 0)]),
    });
  });

  it('during a rebuild takes the marks with it, and the old rebuild is dead', async () => {
    const key = keyAt(NOW);
    const first = await beginRebuild(key);
    await bench.client.reassert(assertion(key, first));
    await flush();
    expect(await open(key, first, ['gateway-1'])).toEqual({ outcome: 'stale' });
    expect(await bench.client.reassert(assertion(key, first))).toBeNull();
    const second = await beginRebuild(key);
    expect(second).not.toBe(first);
    expect(await open(key, second, ['gateway-1'])).toMatchObject({ outcome: 'waiting' });
    expect(await bench.client.reassert(assertion(key, first))).toBeNull();
  });

  it('believes no total that was asked for before, nor one that an acknowledgement brings', async () => {
    const key = keyAt(NOW - DAY_MS);
    const scope = windowScope(key.keyId, 0);
    const call = callOf(key);
    const settled: PendingEntry = {
      ...{ requestId: call.requestId, state: 'settled', amountNanoUsd: 5n, holdNanoUsd: 5n },
      ...{ keyId: key.keyId, windowIndex: 0, windowStartMs: key.mintedAtMs, day: '2026-11-21', admittedAtMs: NOW - 1 },
    };
    const rebuildId = await beginRebuild(key);
    await bench.client.reassert(assertion(key, rebuildId, { entries: [settled] }));
    await open(key, rebuildId, ['gateway-1']);
    await bench.client.projectKey(key);
    const old = { scope, totalNanoUsd: '5', version: 1 };
    expect(await bench.client.seedTotals(key.accountTag, [old], NOW - 1)).toBe(0);
    await bench.setNow(NOW + 10);
    const acknowledged = { accountTag: key.accountTag, requestIds: [call.requestId], totals: [old] };
    expect(await bench.client.acknowledge(acknowledged)).toBe(1);
    expect(await bench.client.seedTotals(key.accountTag, [old], NOW + 9)).toBe(0);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ reason: 'unknown_scope', nowMs: NOW + 10 });
    const fetched = { scope, totalNanoUsd: '4999999999', version: 9 };
    expect(await bench.client.seedTotals(key.accountTag, [fetched], NOW + 10)).toBe(1);
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 2n }))).toMatchObject({ reason: 'budget_exceeded' });
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 1n }))).toMatchObject({ admitted: true });
  });

  it('takes no totals before its epoch is open', async () => {
    const key = keyAt(NOW);
    await beginRebuild(key);
    expect(
      await bench.client.seedTotals(key.accountTag, [{ scope: windowScope(key.keyId, 0), totalNanoUsd: '1', version: 1 }]),
    ).toBeNull();
  });
});

describe('a Redis restored from an old copy', () => {
  it('keeps nothing of the old epoch: no revoked key, no pending amount, no total', async () => {
    const key = keyAt(NOW);
    await openAccount(bench, key);
    await admitted(callOf(key));
    await bench.client.seedTotals(key.accountTag, [{ scope: windowScope(key.keyId, 0), totalNanoUsd: '7', version: 3 }]);
    await bench.redis.hset(accountKey(key.accountTag), 'epoch', '0'.repeat(40));
    expect(await bench.client.admit(callOf(key))).toMatchObject({ reason: 'unknown_epoch' });
    expect(await bench.client.findKey(key.accountTag, key.keyHash)).toMatchObject({ reason: 'unknown_epoch' });

    const rebuildId = await beginRebuild(key);
    const left = [
      openKey(key.accountTag),
      projectionKey(key.accountTag, key.keyHash),
      scopeKey(key.accountTag, windowScope(key.keyId, 0)),
    ];
    expect(await bench.redis.exists(...left)).toBe(0);
    await open(key, rebuildId, []);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ reason: 'unknown_key' });
  });
});

describe('a rebuild', () => {
  it('is one for all who begin it, and deletes only once', async () => {
    const key = keyAt(NOW);
    const ids = await Promise.all(Array.from({ length: 5 }, () => beginRebuild(key)));
    expect(new Set(ids).size).toBe(1);
    const call = callOf(key);
    const entry: PendingEntry = {
      ...entryOf(call.requestId, { keyId: key.keyId } as Admission, 5n),
      holdNanoUsd: 5n,
      windowIndex: 0,
      windowStartMs: NOW,
      day: '2026-11-21',
      admittedAtMs: NOW,
    };
    await bench.client.reassert(assertion(key, ids[0] as string, { entries: [entry] }));
    expect(await beginRebuild(key)).toBe(ids[0]);
    expect((await bench.view.inspect(key.accountTag)).open).toHaveLength(1);
    const opened = await Promise.all([open(key, ids[0] as string, ['gateway-1']), open(key, ids[0] as string, ['gateway-1'])]);
    expect(opened.map((result) => result.outcome).sort()).toEqual(['open', 'opened']);
    expect(await bench.client.beginRebuild(key.accountTag, uuid7())).toBeNull();
  });

  it('takes in more entries than one script run holds, and marks with the last run only', async () => {
    const key = keyAt(NOW);
    const rebuildId = await beginRebuild(key);
    const about = { keyId: key.keyId, windowIndex: 0, windowStartMs: NOW, day: '2026-11-21', admittedAtMs: NOW };
    const entries = Array.from(
      { length: REASSERT_CHUNK * 3 + 1 },
      (): PendingEntry => ({ ...about, requestId: uuid7(), state: 'held', amountNanoUsd: 2n, holdNanoUsd: 2n }),
    );
    expect(await bench.client.reassert(assertion(key, rebuildId, { entries }))).toBe(entries.length);
    expect(await open(key, rebuildId, ['gateway-1'])).toMatchObject({ outcome: 'opened' });
    expect((await bench.view.inspect(key.accountTag)).scopes).toContainEqual(
      expect.objectContaining({ heldNanoUsd: BigInt(entries.length) * 2n }),
    );
  });

  it('lets a gateway that comes back add what its journal still owes', async () => {
    const key = keyAt(NOW, { budgetNanoUsd: '1000' });
    await openAccount(bench, key);
    const late: PendingEntry = {
      requestId: uuid7(),
      state: 'settled',
      amountNanoUsd: 900n,
      holdNanoUsd: 950n,
      keyId: key.keyId,
      windowIndex: 0,
      windowStartMs: NOW,
      day: '2026-11-21',
      admittedAtMs: NOW,
    };
    expect(await bench.client.reassert(assertion(key, 'none', { entries: [late] }))).toBe(1);
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 101n }))).toMatchObject({ reason: 'budget_exceeded' });
  });

  it('never lets a key exceed its rate in the minute after, whatever the lost log held', async () => {
    const key = keyAt(NOW + CLOCK_MARGIN_MS + 1, { rpm: 10 });
    const rebuildId = await beginRebuild(key);
    await bench.client.reassert(assertion(key, rebuildId, { recentByKey: new Map([[key.keyId, 4]]) }));
    await bench.client.reassert(assertion(key, rebuildId, { gatewayId: 'gateway-2', recentByKey: new Map([[key.keyId, 3]]) }));
    await bench.client.reassert(assertion(key, rebuildId, { gatewayId: 'gateway-2', recentByKey: new Map([[key.keyId, 3]]) }));
    await open(key, rebuildId, ['gateway-1', 'gateway-2']);
    await bench.client.projectKey(key);
    for (const remaining of [2, 1, 0]) expect(await bench.client.admit(callOf(key))).toMatchObject({ rpm: { remaining } });
    const refused = await bench.client.admit(callOf(key));
    if (refused.admitted || refused.reason !== 'rate_limited') throw new Error('refused for its rate');
    expect(refused.retryAfterMs).toBeGreaterThan(0);
    expect(refused.retryAfterMs).toBeLessThanOrEqual(60_000);
    await bench.setNow(NOW + 60_000);
    expect(await bench.client.admit(callOf(key))).toMatchObject({ rpm: { remaining: 9 } });
  });
});

describe('what a gateway finds of its own at its restart', () => {
  it('is its open entries, of every account that has state', async () => {
    const [first, second] = [keyAt(NOW), keyAt(NOW)];
    for (const key of [first, second]) await openAccount(bench, key);
    const [mine, theirs] = [callOf(first), callOf(first, { gatewayId: 'gateway-2' })];
    for (const call of [mine, theirs]) await admitted(call);
    const tags: string[] = [];
    for await (const tag of bench.view.listAccountTags()) tags.push(tag);
    expect(tags).toEqual(expect.arrayContaining([first.accountTag, second.accountTag]));
    const owned = await bench.view.listOwnedOpen(first.accountTag, 'gateway-1');
    expect(owned).toEqual([expect.objectContaining({ requestId: mine.requestId, state: 'held', amountNanoUsd: 1_000_000n })]);
    expect(await bench.client.release(first.accountTag, mine.requestId)).toEqual({
      outcome: 'released',
      amountNanoUsd: 1_000_000n,
    });
    expect(await bench.view.listOwnedOpen(first.accountTag, 'gateway-1')).toEqual([]);
  });
});
