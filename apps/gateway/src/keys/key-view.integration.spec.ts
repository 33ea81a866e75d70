import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BALANCE_SCOPE, dayScope } from '@tensorloop/contracts/settle-ack';
import { utcDay, WINDOW_MS } from '@tensorloop/kernel/budget-window';
import { newAccountTag, newKeyText } from '@tensorloop/kernel/key-text';
import { parseUsd } from '@tensorloop/kernel/money';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture } from '../../test/gateway-fixture.js';
import type { TestKey } from '../../test/test-keys.js';

const INSTANT = /^\d{4}-\d\d-\d\dT[\d:.]{12}Z$/;
let fixture: GatewayFixture;
beforeAll(async () => {
  fixture = await GatewayFixture.start();
});
afterAll(() => fixture?.stop());

async function get(path: string, key: TestKey | string) {
  const text = typeof key === 'string' ? key : key.text;
  const response = await fetch(`${fixture.url}/v1${path}`, { headers: { authorization: `Bearer ${text}` } });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

type Said = Record<string, string | number>;

async function errorOf(response: Response) {
  const { error } = (await response.json()) as { error: { type: string; code: string } };
  return { status: response.status, headers: response.headers, ...error };
}

async function prepaidKey(grantedUsd: string): Promise<TestKey> {
  const key = await fixture.addKey({ accountKind: 'prepaid' });
  const limitNanoUsd = parseUsd(grantedUsd).toString();
  const balance = { scope: BALANCE_SCOPE, totalNanoUsd: '0', limitNanoUsd, version: 1 };
  await fixture.admission.seedTotals(key.projection.accountTag, [balance]);
  return key;
}

describe('GET /v1/key', () => {
  it('shows a key its limits, what is spent, held and left, and when each resets; asking uses up nothing (TL-4, TL-5)', async () => {
    const key = await fixture.addKey({ rpm: 3, tpm: 50_000, parallelMax: 2 });
    const { response, requestId, charge } = await served(key);
    expect(response.headers.get('x-tensorloop-cost-usd')).toBe(charge);
    const { mintedAtMs, keyId } = key.projection;
    for (let asked = 0; asked < 5; asked++) {
      expect(await get('/key', key)).toEqual({
        status: 200,
        body: {
          object: 'key',
          id: keyId,
          account_kind: 'metered',
          minted_at: new Date(mintedAtMs).toISOString(),
          expires_at: new Date(key.projection.expiresAtMs).toISOString(),
          models: ['gpt-4o-mini'],
          requests_per_minute: {
            ...{ limit: 3, used: 1, remaining: 2, window_seconds: 60 },
            next_place_at: expect.stringMatching(INSTANT),
          },
          account_requests_per_minute: null,
          tokens_per_minute: {
            ...{ limit: 50_000, used: 30, remaining: 49_970, window_seconds: 60 },
            next_place_at: expect.stringMatching(INSTANT),
          },
          parallel_calls: { limit: 2, in_flight: 0 },
          budget: {
            limit_usd: '5.00',
            spent_usd: charge,
            held_usd: '0.00',
            left_usd: expect.any(String),
            window_start: new Date(mintedAtMs).toISOString(),
            resets_at: new Date(mintedAtMs + WINDOW_MS).toISOString(),
          },
          daily_limit: null,
          balance: null,
          project: null,
        },
      });
    }
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('is as closed as every other address to keys that are revoked, unknown or malformed (TL-3, TL-8)', async () => {
    const key = await fixture.addKey({ isRevoked: true });
    expect((await get('/key', key)).status).toBe(401);
    expect((await get('/key', 'tl_x')).status).toBe(401);
    const [unknown, stranger] = [newKeyText(newAccountTag()), '/requests/x'];
    expect((await get('/key', unknown)).status).toBe(503);
    expect((await get(stranger, key)).status).toBe(401);
    expect((await fixture.post('/key', key, {})).status).toBe(405);
  });

  it('says the same in its headers', async () => {
    const key = await fixture.addKey({ rpm: 3, accountRpm: 2, dailyLimitNanoUsd: '50000000' });
    await fixture.seedTotal(key, dayScope(utcDay(Date.now())));
    await served(key);
    const response = await fetch(`${fixture.url}/v1/key`, { headers: { authorization: `Bearer ${key.text}` } });
    const { budget, account_requests_per_minute: requests, daily_limit } = (await response.json()) as Record<string, Said>;
    const header = (name: string) => response.headers.get(name);
    expect([header('x-ratelimit-limit-requests'), header('x-ratelimit-remaining-requests')]).toEqual(['2', '1']);
    expect(requests).toMatchObject({ limit: 2, remaining: 1 });
    for (const said of ['limit', 'spent', 'held'])
      expect(header(`x-tensorloop-budget-${said}-usd`)).toBe(budget?.[`${said}_usd`]);
    expect(header('x-tensorloop-budget-reset')).toBe(budget?.resets_at);
    expect(header('x-tensorloop-daily-left-usd')).toBe(daily_limit?.left_usd);
  });

  it('says when the next place gets free: a minute after the oldest call that counts (TL-5)', async () => {
    const key = await fixture.addKey({ rpm: 3, tpm: 50_000, accountRpm: 5 });
    type View = Record<'requests_per_minute' | 'account_requests_per_minute' | 'tokens_per_minute', Record<string, unknown>>;
    const view = async () => (await get('/key', key)).body as View;
    const unused = await view();
    const free = { used: 0, next_place_at: null };
    expect([unused.requests_per_minute, unused.account_requests_per_minute, unused.tokens_per_minute]).toMatchObject([
      free,
      free,
      free,
    ]);
    const { event } = await served(key);
    await served(key);
    const next_place_at = new Date(event.admittedAtMs + 60_000).toISOString();
    expect(await view()).toMatchObject({
      requests_per_minute: { used: 2, next_place_at },
      account_requests_per_minute: { used: 2, next_place_at },
      tokens_per_minute: { used: 60, next_place_at },
    });
  });

  it('and GET /v1/requests/{id} take the key in x-api-key as well', async () => {
    const key = await fixture.addKey();
    const { requestId } = await served(key);
    for (const path of ['/key', `/requests/${requestId}`]) {
      const own = await fetch(`${fixture.url}/v1${path}`, { headers: { 'x-api-key': key.text } });
      expect([path, own.status]).toEqual([path, 200]);
      const cut = await fetch(`${fixture.url}/v1${path}`, { headers: { 'x-api-key': 'tl_short' } });
      expect([path, cut.status]).toEqual([path, 401]);
    }
  });

  it('shows a prepaid account what it was granted and what is left', async () => {
    const key = await prepaidKey('0.5');
    const { charge } = await served(key);
    expect((await get('/key', key)).body).toMatchObject({
      account_kind: 'prepaid',
      balance: { granted_usd: '0.50', spent_usd: charge, held_usd: '0.00' },
    });
  });
});

async function served(key: TestKey) {
  const response = await fixture.chat(key, { max_tokens: 20, x_sim: { promptTokens: 10, completionTokens: 20 } });
  expect(response.status).toBe(200);
  await response.arrayBuffer();
  const requestId = response.headers.get('x-request-id') as string;
  const event = await fixture.eventOf(requestId);
  const view = fixture.view;
  await waitUntil(async () => (await view.listOpen(key.projection.accountTag)).every((entry) => entry.state === 'settled'));
  return { response, requestId, event, charge: `0.${event.chargeNanoUsd.padStart(9, '0').replace(/0+$/, '')}` };
}

describe('a prepaid call', () => {
  it('is told what is left, is booked to the balance, and is refused with 402 once nothing is left (TS-4)', async () => {
    const key = await prepaidKey('0.000050');
    const { response, event } = await served(key);
    expect(response.headers.get('x-tensorloop-balance-left-usd')).toMatch(/^0\.0000/);
    expect(event.isPrepaid).toBe(true);
    const error = await errorOf(await fixture.chat(key, { max_tokens: 1_000 }));
    expect(error).toMatchObject({ status: 402, type: 'insufficient_balance', code: 'insufficient_balance' });
    expect(error.headers.get('x-should-retry')).toBe('false');
    const metered = await served(await fixture.addKey());
    expect(metered.event.isPrepaid).toBeUndefined();
    expect(metered.response.headers.get('x-tensorloop-balance-left-usd')).toBeNull();
  });
});

describe('a key with further limits', () => {
  it('has as many calls in flight as it may, and no more until one ends', async () => {
    const key = await fixture.addKey({ parallelMax: 1 });
    const leaving = new AbortController();
    const open = await fixture.chat(
      key,
      { stream: true, x_sim: { completionTokens: 5, chunkMs: 400 } },
      { signal: leaving.signal },
    );
    expect((await get('/key', key)).body).toMatchObject({ parallel_calls: { limit: 1, in_flight: 1 } });
    const error = await errorOf(await fixture.chat(key, {}));
    expect(error).toMatchObject({ status: 429, type: 'rate_limit_error', code: 'parallel_limit_exceeded' });
    expect(Number(error.headers.get('retry-after-ms'))).toBeGreaterThan(0);
    await open.text();
    await waitUntil(async () => (await fixture.chat(key, {})).status === 200);
  });

  it('uses so many tokens in any minute, counted as the call turned out; the refusal says when to come back', async () => {
    const key = await fixture.addKey({ tpm: 400 });
    const first = await served(key);
    expect(first.response.headers.get('x-ratelimit-limit-tokens')).toBe('400');
    const error = await errorOf(await fixture.chat(key, { max_tokens: 390 }));
    expect(error).toMatchObject({ status: 429, type: 'rate_limit_error', code: 'tokens_limit_exceeded' });
    expect(Number(error.headers.get('x-ratelimit-remaining-tokens'))).toBe(370);
    const never = await errorOf(await fixture.chat(key, { max_tokens: 4_000 }));
    expect(never).toMatchObject({ code: 'tokens_limit_exceeded' });
    expect(never.headers.get('x-should-retry')).toBe('false');
  });
});

describe('GET /v1/requests/{id}', () => {
  it('tells what became of a call and what it cost, in flight and ended, to its own account only', async () => {
    const [key, stranger] = [await fixture.addKey(), await fixture.addKey()];
    const { requestId, event, charge } = await served(key);
    const ended = await waitUntil(async () => {
      const answer = await get(`/requests/${requestId}`, key);
      return answer.body.status === 'ended' ? answer : null;
    });
    expect(ended.body).toMatchObject({
      object: 'request',
      id: requestId,
      outcome: 'completed',
      http_status: 200,
      model: 'gpt-4o-mini',
      usage: event.usage,
      cost_usd: charge,
      attempts: [{ status: 200, failure: null }],
    });
    expect(await get(`/requests/${requestId}`, stranger)).toMatchObject({
      status: 404,
      body: { error: { code: 'request_not_found' } },
    });
    const retryAfter = async (id: string | null) => {
      const headers = { authorization: `Bearer ${stranger.text}` };
      return (await fetch(`${fixture.url}/v1/requests/${id}`, { headers })).headers.get('retry-after');
    };
    // A recent call may be another gateway's, and not booked yet.
    expect([await retryAfter(requestId), await retryAfter('no-id')]).toEqual(['2', null]);
    const open = await fixture.chat(key, { stream: true, max_tokens: 50, x_sim: { completionTokens: 5, chunkMs: 300 } });
    const openId = open.headers.get('x-request-id');
    expect((await get(`/requests/${openId}`, key)).body).toMatchObject({ status: 'in_progress', held_usd: expect.any(String) });
    await open.text();
  });

  it('is no such request for what is no id, and unknown while metering is away', async () => {
    const key = await fixture.addKey();
    expect((await get('/requests/nonsense', key)).status).toBe(404);
    expect(await get(`/requests/${uuid7()}`, key)).toMatchObject({
      status: 503,
      body: { error: { code: 'request_lookup_unavailable' } },
    });
  });
});
