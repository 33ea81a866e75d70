import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseUsd } from '@tensorloop/kernel/money';
import { waitUntil } from '@tensorloop/testing/wait-until';
import type { APIError } from 'openai';
import { chat, chatStream } from './harness/chat.js';
import { Installation, type KeyHolder, SETUP_TIMEOUT_MS } from './harness/installation.js';

const PARALLEL_CALLS = 200;
const BUDGET_USD = '0.01';
/** Rounds until nothing more fits. Each round spends, so there is an end. */
const ROUNDS_MAX = 20;

let installation: Installation;

beforeAll(async () => {
  installation = await Installation.start({ gateways: 2 });
}, SETUP_TIMEOUT_MS);
afterAll(() => installation?.stop(), SETUP_TIMEOUT_MS);

/** On two gateways in turn; streamed and not, with a limit of the client's own and without: without, the gateway clamps to what is left. */
function mixedCall(holder: KeyHolder, index: number, share: 'limited' | 'mixed' | 'unlimited'): Promise<unknown> {
  const { client } = index % 3 === 0 ? installation.atSecondGateway(holder) : holder;
  const isLimited = share === 'limited' || (share === 'mixed' && index % 4 < 2);
  const call = {
    sim: { latencyMs: 20, completionTokens: 60 + (index % 7) * 50 },
    ...(isLimited ? { maxTokens: 100 } : {}),
  };
  return index % 2 === 0 ? chat(client, call) : chatStream(client, call);
}

interface Round {
  served: number;
  refusals: APIError[];
}

async function parallelRound(holder: KeyHolder, calls: number, share: Parameters<typeof mixedCall>[2]): Promise<Round> {
  const outcomes = await Promise.allSettled(Array.from({ length: calls }, (_, index) => mixedCall(holder, index, share)));
  const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as APIError] : []));
  return { served: calls - refusals.length, refusals };
}

/** Rounds of calls until none of a round is served. */
async function spendAll(holder: KeyHolder, calls: number, share: Parameters<typeof mixedCall>[2]): Promise<Round[]> {
  const rounds: Round[] = [];
  do rounds.push(await parallelRound(holder, calls, share));
  while (rounds.at(-1)?.served !== 0 && rounds.length < ROUNDS_MAX);
  expect(rounds.at(-1)?.served).toBe(0);
  return rounds;
}

async function spentNanoUsd({ key }: KeyHolder): Promise<bigint> {
  const [row] = await installation.database.query<{ spent: string }>(
    'SELECT coalesce(sum(charge_nano_usd), 0) AS spent FROM metering.usage WHERE key_id = $1',
    [key.id],
  );
  return BigInt(row?.spent ?? 0);
}

describe('a budget (TL-4)', () => {
  it('is never crossed, not by a nano-dollar, by 200 parallel calls over two gateways on a key with $0.01 left', async () => {
    const holder = await installation.mint(await installation.signUp('internal'), { budgetUsd: BUDGET_USD });
    const rounds = [await parallelRound(holder, PARALLEL_CALLS, 'mixed')];
    // What the clamped calls did not use is spent by calls of a size that fits, and the last of it by the smallest.
    rounds.push(...(await spendAll(holder, PARALLEL_CALLS / 4, 'limited')), ...(await spendAll(holder, 1, 'unlimited')));
    const refusals = rounds.flatMap((round) => round.refusals);
    const kinds = new Set(refusals.map((refusal) => `${refusal.status} ${refusal.type} ${refusal.code}`));
    expect([...kinds].sort()).toEqual(['429 budget_exceeded insufficient_quota', '429 rate_limit_error budget_held']);
    for (const refusal of refusals.filter(({ type }) => type === 'rate_limit_error')) {
      expect(refusal.code).toBe('budget_held');
      expect(Number(refusal.headers?.get('retry-after-ms'))).toBeGreaterThan(0);
    }

    const report = await installation.auditExactly(rounds.reduce((sum, round) => sum + round.served, 0));
    const overshoot = (await spentNanoUsd(holder)) - parseUsd(BUDGET_USD);
    expect(overshoot).toBeLessThanOrEqual(0n);
    // Spent to the edge: less is left than the smallest of these calls must hold (its bytes as tokens, and 16 tokens of output).
    expect(overshoot).toBeGreaterThan(-200_000n);
    expect(report.checks.find((check) => check.name === 'redis: open holds = 0')).toMatchObject({ differenceCount: 0 });
  });

  it('leaves other keys of the account alone when it is spent', async () => {
    const tenant = await installation.signUp('internal');
    const poor = await installation.mint(tenant, { budgetUsd: '0.000001' });
    const rich = await installation.mint(tenant);
    await expect(chat(poor.client)).rejects.toMatchObject({ status: 429, type: 'budget_exceeded' });
    await chat(rich.client);
  });
});

describe('requests per minute (TL-5)', () => {
  it('the 31st call within 60 seconds on a free key is 429 rate_limit_error and says when to come back', async () => {
    const holder = await installation.mint(await installation.signUp('free'));
    const served = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        chat((index % 2 ? holder : installation.atSecondGateway(holder)).client, { maxTokens: 20 }),
      ),
    );
    const last = served.map(({ headers }) => Number(headers.get('x-ratelimit-remaining-requests'))).sort((a, b) => a - b);
    expect(last).toEqual(Array.from({ length: 30 }, (_, index) => index));

    const refused = await parallelRound(holder, 10, 'limited');
    expect(refused.served).toBe(0);
    for (const refusal of refused.refusals) {
      expect(refusal).toMatchObject({ status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' });
      const retryAfterMs = Number(refusal.headers?.get('retry-after-ms'));
      expect(retryAfterMs).toBeGreaterThan(0);
      expect(retryAfterMs).toBeLessThanOrEqual(60_000);
      expect(Number(refusal.headers?.get('retry-after'))).toBe(Math.ceil(retryAfterMs / 1_000));
    }
  });

  it('refused calls neither count toward the limit nor cost anything', async () => {
    const holder = await installation.mint(await installation.signUp('internal'), { rpm: 2 });
    await Promise.all([chat(holder.client), chat(holder.client)]);
    const first = await parallelRound(holder, 1, 'limited');
    const waits = [first, await parallelRound(holder, 20, 'limited'), await parallelRound(holder, 1, 'limited')].flatMap(
      (round) => round.refusals.map((refusal) => Number(refusal.headers?.get('retry-after-ms'))),
    );
    expect(waits).toHaveLength(22);
    // Had a refused call counted, the wait would begin anew; it only ever gets shorter.
    expect(waits.at(-1)).toBeLessThanOrEqual(waits[0] as number);
    await waitUntil(async () => (await holder.dashboard.activity()).data.length === 2);
    expect((await installation.auditExactly()).differences).toBe(0);
  });
});
