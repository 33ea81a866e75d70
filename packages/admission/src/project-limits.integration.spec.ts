import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { projectScope } from '@tensorloop/contracts/settle-ack';
import { DAY_MS, WINDOW_MS } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { TEST_REDIS_CALL_MS } from '@tensorloop/testing/servers';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { type AdmissionBench, callOf, GATEWAY, keyAt, openAccount, openBench } from '../test/fixture.js';
import { AdmissionClient } from './admission-client.js';
import { readKeyStatus } from './key-status.js';
import { openKey } from './redis-keys.js';

const NOW = Date.parse('2026-11-21T10:00:00Z');
const MINUTE_MS = 60_000;
const CALLERS = 200;

let bench: AdmissionBench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());
beforeEach(() => bench.setNow(NOW));

type Project = NonNullable<KeyProjection['project']>;
const projectOf = (changes: Partial<Project> = {}): Project => ({
  id: uuid7(),
  name: 'Search',
  createdAtMs: NOW,
  budgetNanoUsd: '1000',
  ...changes,
});

/** Keys of one account, each with the changes given and what they share. */
async function keysOf(count: number, changes: Partial<KeyProjection>): Promise<KeyProjection[]> {
  const first = keyAt(NOW, changes);
  await openAccount(bench, first);
  const { accountTag, accountId } = first;
  const others = Array.from({ length: count - 1 }, () => keyAt(NOW, { ...changes, accountTag, accountId }));
  for (const key of others) await bench.client.projectKey(key);
  return [first, ...others];
}

const total = (scope: string, amount: number, version: number) => ({ scope, totalNanoUsd: String(amount), version });

describe('the budget of a project', () => {
  it('is shared by its keys to the last nano-dollar, and a key of another project spends beside it', async () => {
    const project = projectOf();
    const [one, two] = (await keysOf(2, { project })) as [KeyProjection, KeyProjection];
    const call = callOf(one, { holdNanoUsd: 900n });
    expect(await bench.client.admit(call)).toMatchObject({
      admitted: true,
      project: {
        ...{ id: project.id, windowIndex: 0, windowStartMs: NOW },
        budget: { limitNanoUsd: 1_000n, spentNanoUsd: 0n, heldNanoUsd: 900n },
      },
    });
    expect(await bench.client.admit(callOf(two, { holdNanoUsd: 101n }))).toMatchObject({
      reason: 'project_budget_held',
      projectName: 'Search',
      limit: { limitNanoUsd: 1_000n, spentNanoUsd: 0n, heldNanoUsd: 900n },
      resetMs: WINDOW_MS,
      attribution: { projectId: project.id },
    });
    await bench.client.settle(one.accountTag, call.requestId, 950n);
    expect(await bench.client.admit(callOf(two, { holdNanoUsd: 101n }))).toMatchObject({ reason: 'project_budget_exceeded' });
    expect(await bench.client.admit(callOf(two, { holdNanoUsd: 500n, holdMinNanoUsd: 1n }))).toMatchObject({
      holdNanoUsd: 100n,
    });
    const elsewhere = keyAt(NOW, { accountTag: one.accountTag, accountId: one.accountId, project: projectOf() });
    await bench.client.projectKey(elsewhere);
    expect(await bench.client.admit(callOf(elsewhere, { holdNanoUsd: 1_000n }))).toMatchObject({ admitted: true });
  });

  it('is never passed by 200 callers with four keys at two gateways, and nothing stays held', async () => {
    const project = projectOf({ budgetNanoUsd: '1500' });
    const keys = await keysOf(4, { project });
    const second = new Redis(bench.server.url);
    const other = new AdmissionClient(second, "redis.call('HMGET', 'test:clock', 'seconds', 'micros')", TEST_REDIS_CALL_MS);
    try {
      await other.connected();
      const calls = Array.from({ length: CALLERS }, (_, at) =>
        callOf(keys[at % keys.length] as KeyProjection, { holdNanoUsd: 37n, gatewayId: at % 2 === 0 ? GATEWAY : 'gateway-2' }),
      );
      const clients = calls.map((_, at) => (at % 2 === 0 ? bench.client : other));
      const results = await Promise.all(calls.map((call, at) => (clients[at] as AdmissionClient).admit(call)));
      const admitted = calls.filter((_, at) => results[at]?.admitted === true);
      expect(admitted).toHaveLength(Math.floor(1_500 / 37));
      expect(new Set(results.map((result) => (result.admitted ? 'admitted' : result.reason)))).toEqual(
        new Set(['admitted', 'project_budget_held']),
      );
      const scope = projectScope(project.id, 0);
      const stateOf = async () =>
        (await bench.view.inspect(calls[0]?.accountTag as string)).scopes.find((state) => state.scope === scope);
      expect((await stateOf())?.heldNanoUsd).toBe(BigInt(admitted.length) * 37n);
      await Promise.all(
        admitted.map((call, at) => (clients[at] as AdmissionClient).settle(call.accountTag, call.requestId, 30n)),
      );
      expect(await stateOf()).toMatchObject({ heldNanoUsd: 0n, settledNanoUsd: BigInt(admitted.length) * 30n });
      const requestIds = admitted.map((call) => call.requestId);
      const spent = admitted.length * 30;
      const settled = { accountTag: calls[0]?.accountTag as string, requestIds, totals: [total(scope, spent, 1)] };
      await bench.client.acknowledge(settled);
      expect(await stateOf()).toMatchObject({ heldNanoUsd: 0n, settledNanoUsd: 0n, totalNanoUsd: BigInt(spent) });
    } finally {
      second.disconnect();
    }
  });

  it('binds the moment it is projected: lowered, raised, set or taken away', async () => {
    const project = projectOf({ budgetNanoUsd: null });
    const [key] = (await keysOf(1, { project })) as [KeyProjection];
    const call = () => callOf(key, { holdNanoUsd: 600n });
    expect(await bench.client.admit(call())).toMatchObject({ admitted: true, project: { budget: null } });
    // What was spent before there was a budget counts as well.
    await bench.client.projectKey({ ...key, version: 2, project: { ...project, budgetNanoUsd: '1000' } });
    expect(await bench.client.admit(call())).toMatchObject({ reason: 'project_budget_held' });
    await bench.client.projectKey({ ...key, version: 3, project: { ...project, budgetNanoUsd: '1200' } });
    expect(await bench.client.admit(call())).toMatchObject({ admitted: true });
    const { project: _, ...without } = key;
    await bench.client.projectKey({ ...without, version: 4 });
    expect(await bench.client.admit(call())).toMatchObject({ admitted: true, project: null });
  });

  it('begins anew every 30 days from the creation of the project, whenever its keys were minted (TL-4)', async () => {
    const createdAtMs = NOW - 10 * DAY_MS;
    const project = projectOf({ createdAtMs });
    const [key] = (await keysOf(1, { project })) as [KeyProjection];
    const scope = projectScope(project.id, 0);
    const call = callOf(key, { holdNanoUsd: 1_000n });
    // Its window began before this Redis did: what was spent in it is metering's to say.
    expect(await bench.client.admit(call)).toMatchObject({ reason: 'unknown_scope', scopes: expect.arrayContaining([scope]) });
    await bench.client.seedTotals(key.accountTag, [total(scope, 400, 7)], NOW);
    expect(await bench.client.admit(call)).toMatchObject({
      reason: 'project_budget_exceeded',
      limit: { spentNanoUsd: 400n },
      resetMs: 20 * DAY_MS,
    });
    await bench.setNow(createdAtMs + WINDOW_MS - 1);
    expect(await bench.client.admit(call)).toMatchObject({ reason: 'project_budget_exceeded' });
    await bench.setNow(createdAtMs + WINDOW_MS);
    expect(await bench.client.admit(call)).toMatchObject({
      admitted: true,
      project: { windowIndex: 1, windowStartMs: createdAtMs + WINDOW_MS },
    });
  });

  it('that is not known is not zero: an acknowledgement without its total has it asked for again', async () => {
    const [key] = (await keysOf(1, { project: projectOf() })) as [KeyProjection];
    const call = callOf(key, { holdNanoUsd: 10n });
    await bench.client.admit(call);
    await bench.client.settle(key.accountTag, call.requestId, 10n);
    await bench.client.acknowledge({ accountTag: key.accountTag, requestIds: [call.requestId], totals: [] });
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 1n }))).toMatchObject({
      reason: 'unknown_scope',
      scopes: expect.arrayContaining([projectScope(key.project?.id as string, 0)]),
    });
  });

  it('stays where a call was admitted, when its key is put elsewhere meanwhile', async () => {
    const [before, after] = [projectOf(), projectOf()];
    const [key] = (await keysOf(1, { project: before })) as [KeyProjection];
    const call = callOf(key, { holdNanoUsd: 100n });
    await bench.client.admit(call);
    await bench.client.projectKey({ ...key, version: 2, project: after });
    await bench.client.settle(key.accountTag, call.requestId, 70n);
    const { scopes, open } = await bench.view.inspect(key.accountTag);
    expect(open).toMatchObject([{ state: 'settled', projectScope: projectScope(before.id, 0) }]);
    expect(scopes.find(({ scope }) => scope === projectScope(before.id, 0))).toMatchObject({
      ...{ heldNanoUsd: 0n, settledNanoUsd: 70n },
    });
    expect(scopes.map(({ scope }) => scope)).not.toContain(projectScope(after.id, 0));
  });
});

describe("the requests per minute of an account's keys together (TS-7)", () => {
  it('are counted over all of them, and refused with the exact wait', async () => {
    const [one, two] = (await keysOf(2, { accountRpm: 3 })) as [KeyProjection, KeyProjection];
    for (const [at, key] of [one, two, one].entries()) {
      await bench.setNow(NOW + at * 1_000);
      expect(await bench.client.admit(callOf(key, { holdNanoUsd: 1n }))).toMatchObject({
        accountRpm: { limit: 3, remaining: 2 - at },
      });
    }
    await bench.setNow(NOW + 10_000);
    expect(await bench.client.admit(callOf(two, { holdNanoUsd: 1n }))).toMatchObject({
      reason: 'account_rate_limited',
      limit: 3,
      retryAfterMs: 50_000,
      resetMs: 52_000,
    });
    await bench.setNow(NOW + MINUTE_MS - 1);
    expect(await bench.client.admit(callOf(two, { holdNanoUsd: 1n }))).toMatchObject({ reason: 'account_rate_limited' });
    await bench.setNow(NOW + MINUTE_MS);
    expect(await bench.client.admit(callOf(two, { holdNanoUsd: 1n }))).toMatchObject({ admitted: true });
  });

  it('hold exactly in any minute, whatever keys call when: as counted by hand', async () => {
    const moves = fc.array(fc.record({ key: fc.nat(2), waitMs: fc.nat(20_000) }), { minLength: 5, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(
        moves,
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        async (steps, accountRpm, rpm) => {
          await bench.setNow(NOW);
          const keys = await keysOf(3, { accountRpm, rpm });
          const log: { key: number; at: number }[] = [];
          let now = NOW;
          for (const { key, waitMs } of steps) {
            now += waitMs;
            await bench.setNow(now);
            const recent = log.filter(({ at }) => at > now - MINUTE_MS);
            const ofKey = recent.filter((entry) => entry.key === key).length;
            const expected = ofKey >= rpm ? 'rate_limited' : recent.length >= accountRpm ? 'account_rate_limited' : 'admitted';
            const result = await bench.client.admit(callOf(keys[key] as KeyProjection, { holdNanoUsd: 0n }));
            expect(result.admitted ? 'admitted' : result.reason).toBe(expected);
            if (result.admitted) log.push({ key, at: now });
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('outlive the loss of Redis: what gateways admitted in the last minute is counted over all keys', async () => {
    const [one, two] = (await keysOf(2, { accountRpm: 5 })) as [KeyProjection, KeyProjection];
    const { accountTag } = one;
    await bench.redis.flushall();
    await bench.setNow(NOW);
    const rebuildId = (await bench.client.beginRebuild(accountTag, uuid7())) as string;
    const recentByKey = new Map([
      [one.keyId, 2],
      [two.keyId, 3],
    ]);
    await bench.client.reassert({ accountTag, rebuildId, gatewayId: GATEWAY, entries: [], recentByKey });
    await bench.client.openEpoch({ accountTag, rebuildId, expectedGatewayIds: [GATEWAY] });
    const key = { ...two, mintedAtMs: NOW + 2 * MINUTE_MS };
    await bench.client.projectKey(key);
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 0n }))).toMatchObject({ reason: 'account_rate_limited' });
  });
});

describe('a key without any of it', () => {
  it('costs no more: its entries and its projection are as they were', async () => {
    const [key] = (await keysOf(1, {})) as [KeyProjection];
    await bench.client.admit(callOf(key, { holdNanoUsd: 1n }));
    for (const value of await bench.redis.hvals(openKey(key.accountTag))) expect(value.split('|')).toHaveLength(7);
    expect(await bench.redis.keys(`tl:{${key.accountTag}}:rate:account`)).toEqual([]);
  });
});

describe('what a key is told of itself', () => {
  it('includes its project and the requests of the whole account', async () => {
    const project = projectOf();
    const [key] = (await keysOf(1, { project, accountRpm: 9 })) as [KeyProjection];
    await bench.client.admit(callOf(key, { holdNanoUsd: 40n }));
    const result = await readKeyStatus(bench.redis, key, NOW);
    expect(result).toMatchObject({
      known: true,
      status: {
        accountRpm: { limit: 9, used: 1 },
        project: {
          ...{ id: project.id, name: 'Search' },
          window: { index: 0, startMs: NOW, endMs: NOW + WINDOW_MS },
          budget: { limitNanoUsd: 1_000n, spentNanoUsd: 0n, heldNanoUsd: 40n },
        },
      },
    });
  });
});
