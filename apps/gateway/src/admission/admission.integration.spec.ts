import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newAccountTag, newKeyText } from '@tensorloop/kernel/key-text';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture } from '../../test/gateway-fixture.js';
import type { TestKey } from '../../test/test-keys.js';
import { testModel } from '../../test/test-models.js';

/** An answer without Redis must come within this (DESIGN "Redis down: 503 at once"). */
const FAIL_CLOSED_MS = 100;
/**
 * Nine in ten calls within this: the clock is read in this process, which other tests may keep from its turn for some tenths
 * of a second. Half of them must come in time all the same, and the very first one is among them.
 */
const FAIL_CLOSED_BUSY_MS = 200;
const REFUSED_ROUNDS_MAX = 3;
const REFUSED_BATCHES = 10;
const REFUSED_BATCH_SIZE = 4;

let fixture: GatewayFixture;

beforeAll(async () => {
  fixture = await GatewayFixture.start({
    models: (upstreamUrl) => [
      testModel('retired', upstreamUrl, { isRetired: true }),
      testModel('embedder', upstreamUrl, { endpoints: ['embeddings'] }),
      testModel('seeing', upstreamUrl, { imageTokensMax: 1_000 }),
      testModel('without-secret', upstreamUrl, { deployment: { credential: 'env:NOT_SET_ANYWHERE' } }),
    ],
  });
});

afterAll(() => fixture?.stop());

async function errorOf(
  response: Response,
): Promise<{ status: number; headers: Headers; type: string; code: string; message: string }> {
  const { error } = (await response.json()) as { error: { type: string; code: string; message: string } };
  return { status: response.status, headers: response.headers, ...error };
}

function chatOnce(key: TestKey, body: object): Promise<Response> {
  const messages = [{ role: 'user', content: 'hello there' }];
  return fixture.postOnce('/chat/completions', key, { body: JSON.stringify({ model: 'gpt-4o-mini', messages, ...body }) });
}

/** How long refusals take: the median, and what nine in ten do not exceed. */
async function refusedRound(key: TestKey): Promise<{ median: number; ninth: number }> {
  const times: number[] = [];
  for (let batch = 0; batch < REFUSED_BATCHES; batch++)
    times.push(...(await Promise.all(Array.from({ length: REFUSED_BATCH_SIZE }, () => refusedMs(key)))));
  times.sort((a, b) => a - b);
  return { median: times[times.length / 2] as number, ninth: times[times.length * 0.9] as number };
}

/** How long a call took that must have been refused because there is no Redis. */
async function refusedMs(key: TestKey): Promise<number> {
  const beganMs = performance.now();
  const response = await chatOnce(key, {});
  const refusal = await errorOf(response);
  const tookMs = performance.now() - beganMs;
  expect(refusal).toMatchObject({ status: 503, code: 'admission_unavailable', type: 'service_unavailable_error' });
  expect(response.headers.get('retry-after')).toBe('1');
  return tookMs;
}

describe('a key', () => {
  it('that is revoked is refused on the very next call (TL-3)', async () => {
    const key = await fixture.addKey();
    expect((await fixture.chat(key, {})).status).toBe(200);
    await fixture.project(key, { isRevoked: true });
    expect(await errorOf(await fixture.chat(key, {}))).toMatchObject({
      status: 401,
      type: 'invalid_request_error',
      code: 'invalid_api_key',
      message: expect.stringContaining('revoked'),
    });
  });

  it('that has expired is refused (TL-3)', async () => {
    const key = await fixture.addKey({ expiresAtMs: Date.now() - 1 });
    expect(await errorOf(await fixture.chat(key, {}))).toMatchObject({
      status: 401,
      code: 'invalid_api_key',
      message: expect.stringContaining('expired'),
    });
  });

  it('is asked for before its request is judged', async () => {
    const key = await fixture.addKey({ isRevoked: true });
    expect((await fixture.chat(key, { messages: 'none' })).status).toBe(401);
  });

  it('that nobody can look up is a 503 and never a 401', async () => {
    const key = newKeyText(newAccountTag());
    const response = await fixture.chat(key, {});
    expect(await errorOf(response)).toMatchObject({ status: 503, code: 'key_lookup_unavailable' });
    expect(response.headers.get('retry-after')).toBe('1');
  });

  it.each([
    ['no header', {}],
    ['two spaces', { authorization: 'Bearer  tl_x' }],
    ['lower case', { authorization: 'bearer tl_x' }],
    ['another scheme', { authorization: 'Basic tl_x' }],
  ])('sent with %s is a 401 (TL-8)', async (_name, headers: Record<string, string>) => {
    const response = await fetch(`${fixture.url}/v1/chat/completions`, { method: 'POST', headers, body: '{}' });
    expect(await errorOf(response)).toMatchObject({ status: 401, type: 'invalid_request_error', code: 'invalid_api_key' });
  });
});

describe('a model', () => {
  it.each(['gpt-4o', 'GPT-4o-mini', 'does-not-exist', 'retired', 'embedder', 'without-secret'])(
    '%s outside the allowlist is a 403 (TL-3)',
    async (model) => {
      const key = await fixture.addKey({ models: ['gpt-4o-mini'] });
      expect(await errorOf(await fixture.chat(key, { model }))).toMatchObject({
        status: 403,
        type: 'invalid_request_error',
        code: 'model_not_allowed',
      });
    },
  );

  it('that is allowlisted and retired is a 404 (TL-8)', async () => {
    const key = await fixture.addKey({ models: ['retired'] });
    expect(await errorOf(await fixture.chat(key, { model: 'retired' }))).toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });

  it('that does not chat is a 400', async () => {
    const key = await fixture.addKey({ models: ['*'] });
    expect(await errorOf(await fixture.chat(key, { model: 'embedder' }))).toMatchObject({ status: 400, code: 'invalid_value' });
  });

  it('whose credential is not on this machine is a 503, and the refusal names no secret', async () => {
    const key = await fixture.addKey({ models: ['*'] });
    const error = await errorOf(await fixture.chat(key, { model: 'without-secret' }));
    expect(error).toMatchObject({ status: 503, code: 'no_upstream' });
    expect(error.message).not.toContain('NOT_SET_ANYWHERE');
  });

  it('takes images only where they can be held for', async () => {
    const key = await fixture.addKey({ models: ['*'] });
    const messages = [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.test/a.png' } }] }];
    expect(await errorOf(await fixture.chat(key, { messages }))).toMatchObject({ status: 400, code: 'unsupported_content' });
    expect((await fixture.chat(key, { model: 'seeing', messages })).status).toBe(200);
  });
});

describe('a limit', () => {
  it('of requests per minute is a 429 that says exactly when to come back (TL-5)', async () => {
    const key = await fixture.addKey({ rpm: 2 });
    const beganMs = Date.now();
    await fixture.chat(key, {});
    await fixture.chat(key, {});
    const error = await errorOf(await fixture.chat(key, {}));
    expect(error).toMatchObject({ status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' });
    const retryAfterMs = Number(error.headers.get('retry-after-ms'));
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
    expect(retryAfterMs).toBeGreaterThanOrEqual(60_000 - (Date.now() - beganMs));
    expect(error.headers.get('retry-after')).toBe(String(Math.ceil(retryAfterMs / 1_000)));
    expect(error.headers.get('x-ratelimit-remaining-requests')).toBe('0');
    expect(error.headers.get('x-ratelimit-reset-requests')).toMatch(/^(\d+(\.\d+)?s|1m0s)$/);
  });

  it('of money that is spent is a 429 that no SDK repeats (TL-4)', async () => {
    const key = await fixture.addKey({ budgetNanoUsd: '40000' });
    // 40,000 nano-USD pay for some output, so the first call is clamped; afterwards nothing is left.
    const error = await errorOf(await fixture.chat(key, { max_tokens: 1_000 }));
    expect(error).toMatchObject({ status: 429, type: 'budget_exceeded', code: 'insufficient_quota' });
    expect(error.headers.get('x-should-retry')).toBe('false');
    expect(error.message).toMatch(/resets at \d{4}-\d{2}-\d{2}T.*max_tokens of at most \d+/);
    const fitting = Number(/at most (\d+)/.exec(error.message)?.[1]);
    expect((await fixture.chat(key, { max_tokens: fitting + 1 })).status).toBe(429);
    expect((await fixture.chat(key, { max_tokens: fitting })).status).toBe(200);
  });

  it('that is short clamps an output without a limit of its own, and says so', async () => {
    const key = await fixture.addKey({ budgetNanoUsd: '60000' });
    const response = await fixture.chat(key, { x_sim: { completionTokens: 5_000, promptTokens: 4 } });
    expect(response.status).toBe(200);
    const clamped = Number(response.headers.get('x-tensorloop-max-tokens-clamped'));
    expect(clamped).toBeGreaterThanOrEqual(16);
    expect(await response.json()).toMatchObject({
      usage: { completion_tokens: clamped },
      choices: [{ finish_reason: 'length' }],
    });
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(BigInt(event.chargeNanoUsd) <= BigInt(event.holdNanoUsd)).toBe(true);
    expect(event.overrunNanoUsd).toBe('0');
  });

  it('held by calls in flight is another 429, and passes when they end', async () => {
    const key = await fixture.addKey({ budgetNanoUsd: '70000' });
    const slow = fixture.chat(key, { max_tokens: 60, x_sim: { latencyMs: 500, completionTokens: 1 } });
    await waitUntil(async () => (await fixture.view.listOpen(key.projection.accountTag)).length === 1);
    const error = await errorOf(await fixture.chat(key, { max_tokens: 60 }));
    expect(error).toMatchObject({ status: 429, type: 'rate_limit_error', code: 'budget_held' });
    expect(Number(error.headers.get('retry-after-ms'))).toBeGreaterThan(0);
    expect((await slow).status).toBe(200);
    expect((await fixture.chat(key, { max_tokens: 60, x_sim: { completionTokens: 1 } })).status).toBe(200);
  });

  it('of the day is a 402 (TS-4)', async () => {
    const key = await fixture.addKey({ dailyLimitNanoUsd: '1000' });
    // The account's day began before its state, so its total is metering's to tell; here it is told.
    const day = `day:${new Date().toISOString().slice(0, 10)}`;
    await fixture.seedTotal(key, day);
    const error = await errorOf(await fixture.chat(key, { max_tokens: 100 }));
    expect(error).toMatchObject({ status: 402, type: 'daily_limit_reached', code: 'daily_limit_reached' });
    expect(error.message).toMatch(/resets at \d{4}-\d{2}-\d{2}T00:00:00\.000Z/);
  });

  it('is never crossed by 200 calls at once, and nothing stays held', async () => {
    const key = await fixture.addKey({ budgetNanoUsd: '10000000', rpm: 100_000 });
    const body = { max_tokens: 200, x_sim: { completionTokens: 200, promptTokens: 20 } };
    const responses = await Promise.all(Array.from({ length: 200 }, () => fixture.chat(key, body)));
    const statuses = new Set(responses.map((response) => response.status));
    expect([...statuses].sort()).toEqual([200, 429]);
    const served = responses.filter((response) => response.status === 200);
    const events = await Promise.all(served.map((response) => fixture.eventOf(response.headers.get('x-request-id'))));
    const spent = events.reduce((sum, event) => sum + BigInt(event.chargeNanoUsd), 0n);
    expect(spent <= 10_000_000n).toBe(true);
    await waitUntil(async () =>
      (await fixture.view.inspect(key.projection.accountTag)).scopes.every((scope) => scope.heldNanoUsd === 0n),
    );
    const { scopes } = await fixture.view.inspect(key.projection.accountTag);
    expect(scopes.every((scope) => scope.settledNanoUsd === spent)).toBe(true);
  });
});

describe('a Redis that hangs', () => {
  it('refuses at once, and the hold of a call that it admitted too late is given back', async () => {
    fixture.environment = { REDIS_CALL_MS: '80' };
    await fixture.gateway.stop();
    await fixture.restartGateway();
    const key = await fixture.addKey();
    expect((await fixture.chat(key, {})).status).toBe(200);
    process.kill(fixture.redisServer.server.pid, 'SIGSTOP');
    try {
      const beganMs = performance.now();
      const response = await chatOnce(key, { max_tokens: 10 });
      expect(performance.now() - beganMs).toBeLessThan(FAIL_CLOSED_MS * 3);
      expect(response.status).toBe(503);
    } finally {
      process.kill(fixture.redisServer.server.pid, 'SIGCONT');
    }
    await waitUntil(async () => {
      const open = await fixture.view.listOpen(key.projection.accountTag);
      return open.length === 1 && open[0]?.state === 'settled';
    });
    expect((await fixture.chat(key, {})).status).toBe(200);
  });
});

describe('without Redis', () => {
  it('every call is refused with 503 at once, and served again when Redis is back', async () => {
    const key = await fixture.addKey();
    expect((await fixture.chat(key, {})).status).toBe(200);
    await fixture.redisServer.server.kill();
    // Other tests may have the machine for a while: one of three rounds has to be as fast as it should be.
    const rounds: { median: number; ninth: number }[] = [];
    const isFast = () => rounds.some(({ median, ninth }) => median < FAIL_CLOSED_MS && ninth < FAIL_CLOSED_BUSY_MS);
    while (rounds.length < REFUSED_ROUNDS_MAX && !isFast()) rounds.push(await refusedRound(key));
    expect({ isFast: isFast(), rounds }).toMatchObject({ isFast: true });
    expect((await fetch(`${fixture.url}/health/ready`)).status).toBe(503);
    expect((await fetch(`${fixture.url}/health/live`)).status).toBe(200);
    await fixture.redisServer.server.restart();
    // Redis forgot everything: with nobody to look keys up, a known key is unknown, which is not "does not exist".
    await waitUntil(async () => (await errorOf(await fixture.chat(key, {}))).code === 'key_lookup_unavailable');
    const fresh = await waitUntil(() => fixture.addKey());
    expect((await waitUntil(async () => (await fixture.chat(fresh, {})).status)) === 200).toBe(true);
  });
});
