import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { DAY_MS } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import fc from 'fast-check';
import { type AdmissionBench, callOf, GATEWAY, keyAt, openAccount, openBench, startOfDay } from '../test/fixture.js';
import { MoneyModel, type Settlement } from '../test/money-model.js';
import type { OpenEntry, PendingEntry } from './admission.types.js';
import { CLOCK_MARGIN_MS } from './clock-margin.js';

const NOW = startOfDay(Date.parse('2026-11-21T10:00:00Z'));
const BUDGET = 10_000n;
const DAILY = 6_000n;
const PROJECT_BUDGET = 8_000n;
const KINDS = ['a metered', 'a prepaid', "a project's"] as const;
/** Calls of the prepaid key that may be in flight at once; never reached, so that the count alone is compared. */
const PARALLEL_MAX = 1_000;

let bench: AdmissionBench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

type Step =
  | { kind: 'admit'; worst: bigint; leastShare: number }
  | { kind: 'admitAgain' | 'release' | 'reassert'; pick: number }
  | { kind: 'settle'; pick: number; amount: bigint }
  | { kind: 'commit'; count: number; withTotals: boolean }
  | { kind: 'deliver'; pick: number }
  | { kind: 'grant'; amount: bigint }
  | { kind: 'fetchTotals' | 'nextDay' | 'loseRedis' };

const amount = fc.bigInt(0n, 4_000n);
const pick = fc.nat(99);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('admit' as const), worst: amount, leastShare: fc.integer({ min: 1, max: 3 }) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('settle' as const), pick, amount }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constantFrom('admitAgain' as const, 'release' as const, 'reassert' as const), pick }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('commit' as const),
        count: fc.integer({ min: 1, max: 4 }),
        withTotals: fc.boolean(),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('deliver' as const), pick }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('grant' as const), amount }) },
    { weight: 2, arbitrary: fc.constant({ kind: 'fetchTotals' as const }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constantFrom('fetchTotals' as const, 'nextDay' as const, 'loseRedis' as const) }),
    },
  ),
  { minLength: 20, maxLength: 60, size: 'max' },
);

/** Plays steps on Redis and on the model side by side and compares every answer. */
class Play {
  readonly key: KeyProjection;
  readonly model: MoneyModel;
  private readonly ids: string[] = [];
  private readonly sent: Settlement[] = [];
  private now = NOW;

  constructor(kind: (typeof KINDS)[number]) {
    const accountKind = kind === 'a prepaid' ? 'prepaid' : 'metered';
    const project = { id: uuid7(), name: 'p', createdAtMs: NOW, budgetNanoUsd: String(PROJECT_BUDGET) };
    const limits = { budgetNanoUsd: String(BUDGET), dailyLimitNanoUsd: String(DAILY), rpm: 10_000 };
    this.key = keyAt(NOW, {
      ...limits,
      accountKind,
      parallelMax: accountKind === 'prepaid' ? PARALLEL_MAX : null,
      ...(kind === "a project's" ? { project, accountRpm: 10_000, tags: { team: 'search' } } : {}),
    });
    this.model = new MoneyModel(this.key);
  }

  async begin(): Promise<void> {
    await bench.setNow(this.now);
    await openAccount(bench, this.key, NOW - CLOCK_MARGIN_MS - 1);
  }

  async step(step: Step): Promise<void> {
    const { accountTag } = this.key;
    const id = 'pick' in step ? this.ids[step.pick % Math.max(1, this.ids.length)] : undefined;
    switch (step.kind) {
      case 'admit':
        return this.admit(uuid7(), step.worst, step.worst / BigInt(step.leastShare));
      case 'admitAgain':
        // The gateway repeats an admission whose answer it lost; it never asks for a call again that has ended.
        if (id && this.model.pending.get(id)?.state === 'held')
          expect(await bench.client.admit(callOf(this.key, { requestId: id, holdNanoUsd: 99_999n }))).toMatchObject({
            admitted: true,
            holdNanoUsd: this.model.pending.get(id)?.amount,
          });
        return;
      case 'settle':
        if (id)
          expect((await bench.client.settle(accountTag, id, step.amount)).outcome).toBe(this.model.settle(id, step.amount));
        return;
      case 'release':
        if (id) expect((await bench.client.release(accountTag, id)).outcome).toBe(this.model.release(id));
        return;
      case 'reassert':
        return this.reassert();
      case 'commit': {
        const settlement = this.model.commit(step.count, step.withTotals);
        if (settlement) this.sent.push(settlement);
        return;
      }
      case 'grant':
        if (this.key.accountKind === 'prepaid') this.model.grant(step.amount);
        return;
      case 'deliver':
        return this.deliver(this.sent[step.pick % Math.max(1, this.sent.length)]);
      case 'fetchTotals':
        return this.fetchTotals();
      case 'loseRedis':
        return this.loseRedis();
      case 'nextDay':
        this.now += DAY_MS;
        return bench.setNow(this.now);
    }
  }

  private async admit(requestId: string, holdNanoUsd: bigint, holdMinNanoUsd: bigint): Promise<void> {
    const result = await bench.client.admit(callOf(this.key, { requestId, holdNanoUsd, holdMinNanoUsd }));
    const expected = this.model.admit(requestId, this.now, { worst: holdNanoUsd, least: holdMinNanoUsd });
    expect(result.admitted ? { reason: 'admitted', hold: result.holdNanoUsd } : { reason: result.reason, hold: 0n }).toEqual(
      expected,
    );
    if (result.admitted) this.ids.push(requestId);
  }

  private async reassert(): Promise<void> {
    const entries = (await bench.view.listOwnedOpen(this.key.accountTag, GATEWAY)).map((entry) => this.pendingEntry(entry));
    const added = await bench.client.reassert({
      accountTag: this.key.accountTag,
      rebuildId: 'none',
      gatewayId: GATEWAY,
      entries,
      recentByKey: new Map(),
    });
    expect(added).toBe(0);
  }

  private pendingEntry(entry: OpenEntry): PendingEntry {
    const { requestId, state, amountNanoUsd, holdNanoUsd, admittedAtMs, dayScope, isPrepaid, isParallelCounted } = entry;
    return {
      requestId,
      state,
      amountNanoUsd,
      holdNanoUsd,
      admittedAtMs,
      isPrepaid,
      isParallelCounted,
      keyId: this.key.keyId,
      windowIndex: 0,
      windowStartMs: NOW,
      day: dayScope.slice(4),
      ...(entry.projectScope === null ? {} : { project: this.projectWindow(entry.projectScope) }),
    };
  }

  private projectWindow(scope: string): NonNullable<PendingEntry['project']> {
    const [, id, index] = scope.split(':');
    return { id: id as string, windowIndex: Number(index), windowStartMs: NOW };
  }

  private async deliver(settlement: Settlement | undefined): Promise<void> {
    if (!settlement) return;
    const before = this.model.pending.size;
    this.model.acknowledge(settlement);
    const removed = await bench.client.acknowledge({ accountTag: this.key.accountTag, ...settlement });
    expect(removed).toBe(before - this.model.pending.size);
  }

  private async fetchTotals(): Promise<void> {
    const totals = this.model.totalsOf(this.model.scopesAt(this.now));
    await bench.client.seedTotals(this.key.accountTag, totals, this.now);
    this.model.seed(totals);
  }

  /** A flush, and the rebuild from what the gateway's journal holds. */
  private async loseRedis(): Promise<void> {
    const { accountTag } = this.key;
    const entries = (await bench.view.listOpen(accountTag)).map((entry) => this.pendingEntry(entry));
    await bench.redis.flushall();
    await bench.setNow(this.now);
    const rebuildId = (await bench.client.beginRebuild(accountTag, uuid7())) as string;
    const reassertion = { accountTag, rebuildId, gatewayId: GATEWAY, entries, recentByKey: new Map() };
    expect(await bench.client.reassert(reassertion)).toBe(this.model.pending.size);
    const opening = await bench.client.openEpoch({ accountTag, rebuildId, expectedGatewayIds: [GATEWAY] });
    expect(opening.outcome).toBe('opened');
    await bench.client.projectKey(this.key);
    this.model.lose(this.now);
  }

  /** Redis holds what the model holds, no limit is crossed in truth, and Redis never believes less than the truth. */
  async check(): Promise<void> {
    const { scopes } = await bench.view.inspect(this.key.accountTag);
    const inFlight = [...this.model.pending.values()].filter((entry) => entry.state === 'held').length;
    const counted = scopes.reduce((sum, scope) => sum + scope.callsInFlight, 0);
    expect(counted).toBe(this.key.parallelMax === null ? 0 : inFlight);
    for (const { scope, heldNanoUsd, settledNanoUsd, totalNanoUsd } of scopes) {
      expect({ scope, heldNanoUsd, settledNanoUsd }).toEqual({
        scope,
        heldNanoUsd: this.model.pendingIn(scope, 'held'),
        settledNanoUsd: this.model.pendingIn(scope, 'settled'),
      });
      const truth = this.model.truth(scope);
      const limits = { window: BUDGET, project: PROJECT_BUDGET, day: DAILY, balance: this.model.granted };
      const limit = limits[scope.split(':')[0] as keyof typeof limits];
      expect(truth).toBeLessThanOrEqual(limit);
      const isUnknown = totalNanoUsd === null && this.model.known.get(scope)?.total === null;
      if (!isUnknown) expect((totalNanoUsd ?? 0n) + settledNanoUsd + heldNanoUsd).toBeGreaterThanOrEqual(truth);
    }
  }

  /** Every call ends, every commit is acknowledged. */
  async finish(): Promise<void> {
    for (const id of this.ids) await this.step({ kind: 'settle', pick: this.ids.indexOf(id), amount: 1n });
    const rest = this.model.commit(this.ids.length, true);
    for (const settlement of [...this.sent, ...(rest ? [rest] : [])]) await this.deliver(settlement);
    const totals = this.model.totalsOf([...this.model.committed.keys()]);
    await bench.client.seedTotals(this.key.accountTag, totals);
    const state = await bench.view.inspect(this.key.accountTag);
    expect(state.open).toEqual([]);
    for (const scope of state.scopes) {
      expect(scope).toMatchObject({ heldNanoUsd: 0n, settledNanoUsd: 0n, callsInFlight: 0 });
      expect(scope.totalNanoUsd ?? 0n).toBe(this.model.committed.get(scope.scope)?.total ?? 0n);
    }
  }
}

describe('money in Redis', () => {
  it.each(KINDS)(
    'equals a plain model through any order of admissions, settlements, releases, repeats, grants, late acknowledgements and losses of Redis, for %s key',
    async (kind) => {
      await fc.assert(
        fc.asyncProperty(steps, async (sequence) => {
          const play = new Play(kind);
          await play.begin();
          for (const step of sequence) {
            await play.step(step);
            await play.check();
          }
          await play.finish();
        }),
        { numRuns: 60 },
      );
    },
    120_000,
  );

  it('settles at most the hold and reports the excess', async () => {
    await bench.setNow(NOW);
    const key = keyAt(NOW);
    await openAccount(bench, key);
    const call = callOf(key, { holdNanoUsd: 500n });
    await bench.client.admit(call);
    expect(await bench.client.settle(key.accountTag, call.requestId, 700n)).toEqual({
      outcome: 'settled',
      amountNanoUsd: 500n,
      excessNanoUsd: 200n,
    });
    expect(await bench.client.settle(key.accountTag, call.requestId, 1n)).toEqual({
      outcome: 'already_settled',
      amountNanoUsd: 500n,
      excessNanoUsd: 0n,
    });
    expect(await bench.client.release(key.accountTag, call.requestId)).toEqual({
      outcome: 'already_settled',
      amountNanoUsd: 500n,
    });
  });

  it('keeps amounts near 2^53 exact', async () => {
    await bench.setNow(NOW);
    const key = keyAt(NOW, { budgetNanoUsd: '9007199254740991' });
    await openAccount(bench, key);
    const call = callOf(key, { holdNanoUsd: 9_007_199_254_740_990n });
    expect(await bench.client.admit(call)).toMatchObject({
      holdNanoUsd: 9_007_199_254_740_990n,
      budget: { heldNanoUsd: 9_007_199_254_740_990n },
    });
    expect(await bench.client.settle(key.accountTag, call.requestId, 9_007_199_254_740_989n)).toMatchObject({
      amountNanoUsd: 9_007_199_254_740_989n,
    });
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 3n }))).toMatchObject({ reason: 'budget_exceeded' });
    expect(await bench.client.admit(callOf(key, { holdNanoUsd: 2n }))).toMatchObject({ admitted: true });
  });

  it('holds nothing for a free model, and ends without a trace', async () => {
    await bench.setNow(NOW);
    const key = keyAt(NOW);
    await openAccount(bench, key);
    const [first, second] = [callOf(key, { holdNanoUsd: 0n }), callOf(key, { holdNanoUsd: 0n })];
    for (const call of [first, second])
      expect(await bench.client.admit(call)).toMatchObject({ admitted: true, holdNanoUsd: 0n });
    expect(await bench.client.settle(key.accountTag, first.requestId, 0n)).toMatchObject({ outcome: 'settled' });
    expect(await bench.client.release(key.accountTag, second.requestId)).toMatchObject({ outcome: 'released' });
    expect(await bench.client.acknowledge({ accountTag: key.accountTag, requestIds: [first.requestId], totals: [] })).toBe(1);
    expect((await bench.view.inspect(key.accountTag)).open).toEqual([]);
  });

  it('forgets a past scope only when nothing is pending in it', async () => {
    await bench.setNow(NOW);
    const key = keyAt(NOW);
    await openAccount(bench, key);
    const [stuck, done] = [callOf(key), callOf(key)];
    for (const call of [stuck, done]) await bench.client.admit(call);
    await bench.setNow(NOW + 5 * DAY_MS);
    const acknowledge = (id: string) => bench.client.acknowledge({ accountTag: key.accountTag, requestIds: [id], totals: [] });
    const dayNames = async () =>
      (await bench.view.inspect(key.accountTag)).scopes.map((scope) => scope.scope).filter((scope) => scope.startsWith('day'));
    await acknowledge(done.requestId);
    expect(await dayNames()).toEqual(['day:2026-11-21']);
    await acknowledge(stuck.requestId);
    expect(await dayNames()).toEqual([]);
  });
});
