import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import fc from 'fast-check';
import { type AdmissionBench, callOf, keyAt, openAccount, openBench, startOfDay } from '../test/fixture.js';
import type { AdmitRequest, AdmitResult } from './admission.types.js';
import { CALLS_PER_RUN_MAX } from './call-batch.js';
import { CLOCK_MARGIN_MS } from './clock-margin.js';

const NOW = Date.parse('2026-11-21T10:00:00Z');
let bench: AdmissionBench;

beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

type Changes = Partial<KeyProjection>;
const PROJECT = { id: uuid7(), name: 'p', createdAtMs: NOW };

/** An account with two keys whose limits are near. */
async function accountWith(changes: [Changes, Changes]): Promise<[KeyProjection, KeyProjection]> {
  await bench.setNow(NOW);
  const first = keyAt(NOW, changes[0]);
  const second = { ...keyAt(NOW, changes[1]), accountTag: first.accountTag, accountId: first.accountId };
  await openAccount(bench, first, startOfDay(NOW) - CLOCK_MARGIN_MS - 1);
  await bench.client.projectKey(second);
  return [first, second];
}

function withoutProjectId(result: AdmitResult) {
  if (!result.admitted) return { attribution: result.attribution === undefined };
  return { project: result.project === null ? null : { ...result.project, id: null } };
}

/** What an answer says, apart from whose it is. */
function sayings(results: AdmitResult[]) {
  return results.map((result) => ({ ...result, keyId: null, accountId: null, ...withoutProjectId(result) }));
}

const call = fc.record({
  key: fc.integer({ min: 0, max: 1 }),
  worst: fc.bigInt(1n, 900n),
  leastShare: fc.integer({ min: 1, max: 3 }),
  tokens: fc.nat(40),
  model: fc.constantFrom('gpt-4o-mini', 'gpt-4o-mini', 'gpt-4o-mini', 'other'),
  again: fc.nat(9),
});
const limits = fc.record({
  rpm: fc.integer({ min: 1, max: 12 }),
  budgetNanoUsd: fc.bigInt(500n, 6_000n).map(String),
  parallelMax: fc.option(fc.integer({ min: 1, max: 12 })),
  tpm: fc.option(fc.integer({ min: 1, max: 300 })),
});
/** Of both keys: their account's, and their project's. */
const shared = fc.record({
  accountRpm: fc.option(fc.integer({ min: 1, max: 15 }), { nil: undefined }),
  projectBudget: fc.option(fc.bigInt(500n, 6_000n), { nil: undefined }),
});

describe('calls that come in one turn', () => {
  it('get the answers, and leave the state, that they would one after the other', async () => {
    const spending = fc.array(call, { minLength: 1, maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(
        spending,
        fc.tuple(limits, limits),
        shared,
        async (calls, [one, other], { accountRpm, projectBudget }) => {
          const daily = {
            dailyLimitNanoUsd: '4000',
            ...(accountRpm === undefined ? {} : { accountRpm }),
            ...(projectBudget === undefined ? {} : { project: { ...PROJECT, budgetNanoUsd: String(projectBudget) } }),
          };
          const twins = [
            await accountWith([
              { ...one, ...daily },
              { ...other, ...daily },
            ]),
          ];
          twins.push(
            await accountWith([
              { ...one, ...daily },
              { ...other, ...daily },
            ]),
          );
          const [together, apart] = twins.map((keys) => {
            const requests: AdmitRequest[] = [];
            for (const { key, worst, leastShare, tokens, model, again } of calls) {
              const earlier = requests[again];
              const asked = callOf(keys[key as 0 | 1], {
                model,
                holdNanoUsd: worst,
                holdMinNanoUsd: worst / BigInt(leastShare),
                tokens: { worst: tokens, least: tokens },
              });
              // Some ask again for a call that is on its way.
              requests.push(earlier === undefined || again > 2 ? asked : earlier);
            }
            return requests;
          }) as [AdmitRequest[], AdmitRequest[]];
          const results = await Promise.all(together.map((request) => bench.client.admit(request)));
          const expected: AdmitResult[] = [];
          for (const request of apart) expected.push(await bench.client.admit(request));
          expect(sayings(results)).toEqual(sayings(expected));
          const [here, there] = await Promise.all(
            [together, apart].map(async ([first]) => {
              const { scopes, open } = await bench.view.inspect((first as AdmitRequest).accountTag);
              const sums = scopes.map(({ scope, ...state }) => ({ ...state, kind: scope.split(':')[0] }));
              return {
                sums: sums.map((sum) => JSON.stringify(sum, text)).sort(),
                open: open.map(({ holdNanoUsd }) => holdNanoUsd),
              };
            }),
          );
          expect(here?.sums).toEqual(there?.sums);
          expect(here?.open.toSorted(byAmount)).toEqual(there?.open.toSorted(byAmount));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('begin after those that end in the same turn have ended, and leave what they would one after the other (TL-4)', async () => {
    const round = fc.record({
      settled: fc.array(fc.record({ which: fc.nat(30), amount: fc.bigInt(0n, 1_000n), tokens: fc.nat(40) }), { maxLength: 6 }),
      calls: fc.array(call, { minLength: 1, maxLength: 6 }),
    });
    const rounds = fc.array(round, { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(rounds, fc.tuple(limits, limits), fc.boolean(), async (plan, [one, other], isPrepaid) => {
        const common: Changes = {
          dailyLimitNanoUsd: '4000',
          ...(isPrepaid ? { accountKind: 'prepaid' } : { project: { ...PROJECT, budgetNanoUsd: '4500' } }),
        };
        const twins = [];
        for (let twin = 0; twin < 2; twin++)
          twins.push(
            await accountWith([
              { ...one, ...common },
              { ...other, ...common },
            ]),
          );
        const states = [];
        for (const [twin, keys] of twins.entries()) {
          const tag = keys[0].accountTag;
          await bench.client.seedTotals(tag, [{ scope: 'balance', totalNanoUsd: '0', version: 1, limitNanoUsd: '5000' }]);
          const made: AdmitRequest[] = [];
          const answers: unknown[] = [];
          const end = (which: number, amount: bigint, tokens: number) =>
            bench.client.settleWithTokens(tag, made[which % made.length]?.requestId ?? uuid7(), {
              amountNanoUsd: amount,
              tokens,
            });
          for (const { settled, calls } of plan) {
            const requests = calls.map(({ key, worst, leastShare, tokens, model }) =>
              callOf(keys[key as 0 | 1], {
                model,
                holdNanoUsd: worst,
                holdMinNanoUsd: worst / BigInt(leastShare),
                tokens: { worst: tokens, least: tokens },
              }),
            );
            if (twin === 0) {
              const begun = requests.map((request) => bench.client.admit(request));
              const ended = settled.map(({ which, amount, tokens }) => end(which, amount, tokens));
              answers.push(await Promise.all(ended), sayings(await Promise.all(begun)));
            } else {
              const ended = [];
              for (const { which, amount, tokens } of settled) ended.push(await end(which, amount, tokens));
              const begun = [];
              for (const request of requests) begun.push(await bench.client.admit(request));
              answers.push(ended, sayings(begun));
            }
            made.push(...requests);
          }
          const { scopes, open } = await bench.view.inspect(tag);
          const sums = scopes
            .map(({ scope, ...state }) => JSON.stringify({ ...state, kind: scope.split(':')[0] }, text))
            .sort();
          states.push(
            JSON.stringify({ answers, sums, open: open.map((entry) => `${entry.state} ${entry.amountNanoUsd}`).sort() }, text),
          );
          for (const { heldNanoUsd, settledNanoUsd, callsInFlight } of scopes) {
            expect([heldNanoUsd >= 0n, settledNanoUsd >= 0n, callsInFlight >= 0]).toEqual([true, true, true]);
          }
        }
        expect(states[0]).toEqual(states[1]);
      }),
      { numRuns: 60 },
    );
  });

  it('settle once each, whatever comes twice, and more of them than fit into one run', async () => {
    const [key] = await accountWith([{ rpm: 1_000 }, {}]);
    const calls = Array.from({ length: CALLS_PER_RUN_MAX * 2 + 5 }, () => callOf(key, { holdNanoUsd: 10n }));
    const admitted = await Promise.all(calls.map((each) => bench.client.admit(each)));
    expect(admitted.filter((result) => result.admitted)).toHaveLength(calls.length);
    const settlings = [...calls, ...calls].map((each, index) =>
      bench.client.settle(key.accountTag, each.requestId, index < calls.length ? 12n : 3n),
    );
    const results = await Promise.all(settlings);
    expect(new Set(results.slice(0, calls.length).map((each) => JSON.stringify(each, text)))).toEqual(
      new Set([JSON.stringify({ outcome: 'settled', amountNanoUsd: '10', excessNanoUsd: '2' })]),
    );
    expect(new Set(results.slice(calls.length).map((each) => each.outcome))).toEqual(new Set(['already_settled']));
    const { scopes } = await bench.view.inspect(key.accountTag);
    for (const scope of scopes) {
      expect(scope).toMatchObject({ heldNanoUsd: 0n, settledNanoUsd: BigInt(calls.length) * 10n });
    }
  });

  it('of several gateways stay theirs', async () => {
    const [key] = await accountWith([{}, {}]);
    const calls = ['gateway-1', 'gateway-2'].map((gatewayId) => callOf(key, { gatewayId }));
    await Promise.all(calls.map((each) => bench.client.admit(each)));
    const open = await bench.view.listOpen(key.accountTag);
    expect(new Map(open.map(({ requestId, gatewayId }) => [requestId, gatewayId]))).toEqual(
      new Map(calls.map(({ requestId, gatewayId }) => [requestId, gatewayId])),
    );
  });
});

function text(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

function byAmount(one: bigint, other: bigint): number {
  return Number(one - other);
}
