import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseUsd } from '@tensorloop/kernel/money';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { Redis } from 'ioredis';
import { chat, refusalOf } from './harness/chat.js';
import { Installation, type KeyHolder, SETUP_TIMEOUT_MS } from './harness/installation.js';
import { startTraffic } from './harness/traffic.js';

const TEST_TIMEOUT_MS = 90_000;
const REFUSED_WITHIN_MS = 100;
const CONCURRENCY = 8;
const SIM = { latencyMs: 15, completionTokens: 20 };

let installation: Installation;
let holder: KeyHolder;

beforeAll(async () => {
  installation = await Installation.start();
  holder = await installation.mint(await installation.signUp('internal'));
  await chat(holder.client);
}, SETUP_TIMEOUT_MS);
afterAll(() => installation?.stop(), SETUP_TIMEOUT_MS);

async function flushRedis(): Promise<void> {
  const redis = new Redis(installation.redis.url);
  await redis.flushall();
  redis.disconnect();
}

describe('Redis', () => {
  it(
    'down: calls are refused with 503 within 100 ms, and served again once it is back, by itself',
    async () => {
      await installation.redis.kill();
      // The first call after the death may be the one that notices it.
      await refusalOf(chat(holder.client));
      const durations: number[] = [];
      for (let call = 0; call < 5; call++) {
        const startedAt = performance.now();
        expect(await refusalOf(chat(holder.client))).toMatchObject({ status: 503 });
        durations.push(performance.now() - startedAt);
      }
      expect(Math.min(...durations)).toBeLessThan(REFUSED_WITHIN_MS);
      expect(durations.sort((a, b) => a - b)[2]).toBeLessThan(REFUSED_WITHIN_MS);
      await installation.redis.restart();
      await waitUntil(() => chat(holder.client), { timeoutMs: 15_000, what: 'calls to be served again' });
      await installation.auditExactly(2);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'flushed in mid-traffic: what was spent before still counts, and the books are exact after the rebuild',
    async () => {
      const traffic = startTraffic(holder.client, { concurrency: 8, sim: SIM });
      await waitUntil(() => traffic.completed.length >= 40, { timeoutMs: 20_000 });
      await flushRedis();
      const before = traffic.completed.length;
      await waitUntil(() => traffic.completed.length >= before + 40, {
        timeoutMs: 20_000,
        what: 'the account to be served again',
      });
      await traffic.stop();
      await installation.auditExactly(traffic.completed.length);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'flushed again and again under a small budget: the budget is still never crossed',
    async () => {
      const budgetUsd = '0.002';
      const poor = await installation.mint(holder, { budgetUsd });
      const traffic = startTraffic(poor.client, { concurrency: CONCURRENCY, sim: SIM });
      for (let flush = 0; flush < 3; flush++) {
        const attempts = traffic.completed.length + traffic.failed.length;
        await waitUntil(() => traffic.completed.length + traffic.failed.length >= attempts + 20, { timeoutMs: 20_000 });
        await flushRedis();
      }
      const isSpent = (failure: string) => failure.startsWith('429 budget_exceeded');
      await waitUntil(() => traffic.failed.some(isSpent), { timeoutMs: 30_000, what: 'the budget to be spent' });
      // What was spent is still spent after yet another loss: nothing is served any more.
      await flushRedis();
      const served = traffic.completed.length;
      const refused = traffic.failed.filter(isSpent).length;
      await waitUntil(() => traffic.failed.filter(isSpent).length >= refused + 20, { timeoutMs: 30_000 });
      expect(traffic.completed.length - served).toBeLessThanOrEqual(CONCURRENCY);
      await traffic.stop();
      await installation.auditExactly(1);
      const [row] = await installation.database.query<{ spent: string }>(
        'SELECT sum(charge_nano_usd) AS spent FROM metering.usage WHERE key_id = $1',
        [poor.key.id],
      );
      expect(BigInt(row?.spent ?? 0)).toBeLessThanOrEqual(parseUsd(budgetUsd));
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'restarted with nothing in it: a revoked key stays revoked, a known one is served',
    async () => {
      const revoked = await installation.mint(holder);
      await chat(revoked.client);
      await holder.dashboard.send('DELETE', `/api/keys/${revoked.key.id}`);
      await installation.redis.kill();
      await installation.redis.restart();
      await waitUntil(() => chat(holder.client), { timeoutMs: 15_000, what: 'calls to be served again' });
      expect(await refusalOf(chat(revoked.client))).toMatchObject({ status: 401 });
      await installation.auditExactly(1);
    },
    TEST_TIMEOUT_MS,
  );
});
