import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { grantCredit, setAccountKind, setDailyLimit, setKeyLimits } from '@tensorloop/db/operator';
import { parseUsd } from '@tensorloop/kernel/money';
import { waitUntil } from '@tensorloop/testing/wait-until';
import OpenAI from 'openai';
import { chat, chatStream, refusalOf } from './harness/chat.js';
import { Installation, type KeyHolder, SETUP_TIMEOUT_MS, type Tenant } from './harness/installation.js';
import { seededRandom } from './harness/random.js';

const PARALLEL_CALLERS = 200;
const GRANTED_USD = '0.10';
const SEED = 20_261_122;
/** How a caller may fare. A busy machine may be slower than admission waits for Redis: that refuses, and never serves. */
const ENDINGS = new Set(['served', 'insufficient_balance', 'balance_held', 'admission_unavailable']);
const CALL = { model: 'gpt-4o-mini', maxTokens: 100 };

let installation: Installation;
beforeAll(async () => {
  installation = await Installation.start({ gateways: 2 });
}, SETUP_TIMEOUT_MS);
afterAll(() => installation?.stop(), SETUP_TIMEOUT_MS);

const owner = () => installation.database.urls.owner;
const grant = ({ accountId }: Tenant, usd: string) => grantCredit(owner(), accountId, { usd, note: 'a test' });

/** What the key itself is told. */
async function ownKey({ key }: KeyHolder): Promise<Record<string, Record<string, unknown>>> {
  const response = await fetch(`${installation.gatewayUrl}/v1/key`, { headers: { authorization: `Bearer ${key.key}` } });
  return (await response.json()) as Record<string, Record<string, unknown>>;
}

/** Once the keys of an account were projected again with this set. */
async function untilKeyShows(holder: KeyHolder, field: string, value: unknown): Promise<void> {
  await waitUntil(async () => JSON.stringify((await ownKey(holder))[field]) === JSON.stringify(value), {
    what: `${field} of the key`,
  });
}

async function prepaid(): Promise<KeyHolder> {
  const holder = await installation.mint(await installation.signUp('internal'), { budgetUsd: '100' });
  await setAccountKind(owner(), holder.accountId, 'prepaid');
  await untilKeyShows(holder, 'account_kind', 'prepaid');
  return holder;
}

async function spentNanoUsd({ accountId }: Tenant): Promise<bigint> {
  const [row] = await installation.database.query<{ spent: string }>(
    'SELECT coalesce(sum(charge_nano_usd), 0)::text AS spent FROM metering.usage WHERE account_id = $1',
    [accountId],
  );
  return BigInt(row?.spent ?? 0);
}

describe('a prepaid account', () => {
  it('is refused with 402 before anything was granted, served after a credit, and told what became of its call (TS-4)', async () => {
    const holder = await prepaid();
    expect(await refusalOf(chat(holder.client, CALL))).toMatchObject({ status: 402, code: 'insufficient_balance' });
    await grant(holder, '1');
    await waitUntil(() => chat(holder.client, CALL).catch(() => null), {
      what: 'a call on credit',
    });
    const response = await holder.client.chat.completions
      .create({ model: CALL.model, max_tokens: 10, messages: [{ role: 'user', content: 'hi' }] })
      .asResponse();
    const id = response.headers.get('x-request-id');
    const cost = response.headers.get('x-tensorloop-cost-usd') as string;
    const booked = await waitUntil(
      async () => {
        const authorization = `Bearer ${holder.key.key}`;
        const answer = await fetch(`${installation.gatewayUrl}/v1/requests/${id}`, { headers: { authorization } });
        const body = (await answer.json()) as { status?: string; cost_usd?: string; lines?: { amount_usd: string }[] };
        return body.status === 'booked' ? body : null;
      },
      { what: 'the booked call' },
    );
    expect(booked.cost_usd).toBe(cost);
    expect((booked.lines ?? []).reduce((sum, line) => sum + parseUsd(line.amount_usd), 0n)).toBe(parseUsd(cost));
  });

  it(`never spends more than it was granted, with ${PARALLEL_CALLERS} callers at once over two gateways; nothing stays held`, async () => {
    const holder = await prepaid();
    await grant(holder, GRANTED_USD);
    const random = seededRandom(SEED);
    const clients = [holder.client, installation.atSecondGateway(holder).client];
    const calls = Array.from({ length: PARALLEL_CALLERS }, (_, index) => {
      const call = { model: 'gpt-4o', maxTokens: 400, sim: { completionTokens: 1 + Math.floor(random() * 450) } };
      const client = clients[index % clients.length] as OpenAI;
      return random() < 0.5 ? chat(client, call) : chatStream(client, call);
    });
    const endings = (await Promise.allSettled(calls)).map((result) => {
      if (result.status === 'fulfilled') return 'served';
      if (result.reason instanceof OpenAI.APIError) return String(result.reason.code);
      throw result.reason;
    });
    expect(endings.filter((ending) => !ENDINGS.has(ending))).toEqual([]);
    // The balance runs out within the first few dozen: a limit that nobody reaches proves nothing.
    expect(endings.filter((ending) => ending === 'served').length).toBeGreaterThan(10);
    expect(endings.filter((ending) => ending !== 'served').length).toBeGreaterThan(10);
    await installation.auditExactly();
    const spent = await spentNanoUsd(holder);
    expect(spent).toBeGreaterThan(0n);
    expect(spent).toBeLessThanOrEqual(parseUsd(GRANTED_USD));
    expect((await ownKey(holder)).balance).toMatchObject({ granted_usd: GRANTED_USD, held_usd: '0.00' });
    await grant(holder, '1');
    await waitUntil(() => chat(holder.client, CALL).catch(() => null), {
      what: 'a call on credit',
    });
  });
});

describe('a daily limit', () => {
  it('ends in a 402 that says when it resets, for every key of the account (TS-4)', async () => {
    const holder = await installation.mint(await installation.signUp('internal'));
    await setDailyLimit(owner(), holder.accountId, '0.000001');
    await waitUntil(async () => (await ownKey(holder)).daily_limit !== null);
    const refusal = await refusalOf(chat(holder.client, CALL));
    expect(refusal).toMatchObject({ status: 402, type: 'daily_limit_reached', code: 'daily_limit_reached' });
    expect(refusal.message).toMatch(/resets at \d{4}-\d\d-\d\dT00:00:00/);
    await setDailyLimit(owner(), holder.accountId, null);
    await waitUntil(() => chat(holder.client, CALL).catch(() => null), { what: 'a call without the limit' });
  });
});

describe('limits of a key', () => {
  it('on calls in flight and on tokens hold over both gateways', async () => {
    const holder = await installation.mint(await installation.signUp('internal'));
    const clients = [holder.client, installation.atSecondGateway(holder).client];
    await setKeyLimits(owner(), holder.accountId, { tpm: null, parallelMax: 3 });
    await untilKeyShows(holder, 'parallel_calls', { limit: 3, in_flight: 0 });
    const slow = { ...CALL, sim: { latencyMs: 1_000, completionTokens: 5 } };
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => chat(clients[index % 2] as OpenAI, slow)),
    );
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as { code?: string }] : []));
    expect(refused).toHaveLength(17);
    for (const error of refused) expect(error).toMatchObject({ status: 429, code: 'parallel_limit_exceeded' });
    await untilKeyShows(holder, 'parallel_calls', { limit: 3, in_flight: 0 });

    await setKeyLimits(owner(), holder.accountId, { tpm: 50, parallelMax: null });
    await waitUntil(async () => (await ownKey(holder)).tokens_per_minute !== null);
    for (const client of clients) {
      expect(await refusalOf(chat(client, CALL))).toMatchObject({ status: 429, code: 'tokens_limit_exceeded' });
    }
  });
});
