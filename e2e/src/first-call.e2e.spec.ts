import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ActivityPage } from '@tensorloop/contracts/dashboard-api';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { type ChatAnswer, chat, chatStream, PROMPT_TOKENS } from './harness/chat.js';
import { Installation, type KeyHolder, SETUP_TIMEOUT_MS } from './harness/installation.js';
import { priceOf } from './harness/prices.js';

/** From the answer's last byte to the row that its owner can see (TL-7). */
const VISIBLE_WITHIN_MS = 1_000;

let installation: Installation;
let holder: KeyHolder;

beforeAll(async () => {
  installation = await Installation.start();
  holder = await installation.mint(await installation.signUp('pro'));
  // The first call of a process compiles and connects; how long that takes is no property of the path.
  await chat(holder.client);
}, SETUP_TIMEOUT_MS);
afterAll(() => installation?.stop(), SETUP_TIMEOUT_MS);

/** Of every row that was waited for. */
const visibleAfterMs: number[] = [];

async function rowOf({ requestId }: ChatAnswer): Promise<ActivityPage['data'][number]> {
  const endedAtMs = performance.now();
  const row = await waitUntil(
    async () => (await holder.dashboard.activity()).data.find(({ requestId: id }) => id === requestId),
    { what: `call ${requestId} in the activity` },
  );
  visibleAfterMs.push(performance.now() - endedAtMs);
  return row;
}

describe('a call made with the OpenAI SDK (TL-7, TL-10)', () => {
  it('stands in the activity, exact to the nano-dollar', async () => {
    const answer = await chat(holder.client, { model: 'gpt-4o', sim: { cachedTokens: 40, completionTokens: 33 } });
    const cost = priceOf('gpt-4o', { prompt: PROMPT_TOKENS, cached: 40, completion: 33 });
    expect(await rowOf(answer)).toMatchObject({
      keyId: holder.key.id,
      model: 'gpt-4o',
      stream: false,
      outcome: 'completed',
      httpStatus: 200,
      estimated: false,
      usage: { input: PROMPT_TOKENS - 40, input_cache_read: 40, output: 33 },
      costNanoUsd: cost.toString(),
    });
    expect(answer.text.trim().split(' ')).toHaveLength(33);
  });

  it('the same when streamed, though the client asked for no usage', async () => {
    const answer = await chatStream(holder.client, { sim: { completionTokens: 21 } });
    expect(answer.text.trim().split(' ')).toHaveLength(21);
    expect(await rowOf(answer)).toMatchObject({
      stream: true,
      outcome: 'completed',
      estimated: false,
      usage: { input: PROMPT_TOKENS, output: 21 },
      costNanoUsd: priceOf('gpt-4o-mini', { prompt: PROMPT_TOKENS, completion: 21 }).toString(),
    });
  });

  it('costs what the price list says: 1,000 in and 500 out of llama-3.3-70b are $0.0005 (TS-2)', async () => {
    const messages = [{ role: 'user' as const, content: 'word '.repeat(1_000) }];
    const body = { model: 'llama-3.3-70b', messages, x_sim: { promptTokens: 1_000, completionTokens: 500 } };
    const { response } = await holder.client.chat.completions.create(body).withResponse();
    const row = await rowOf({ requestId: response.headers.get('x-request-id') ?? '', text: '', headers: response.headers });
    expect(row.costNanoUsd).toBe('500000');
    expect(row.costUsd).toBe('0.0005');
  });

  it('is there within a second, unless others have the machine meanwhile', () => {
    expect(visibleAfterMs.length).toBeGreaterThanOrEqual(3);
    expect(Math.min(...visibleAfterMs)).toBeLessThan(VISIBLE_WITHIN_MS);
  });

  it('counts toward the usage summary to the same nano-dollar', async () => {
    const { data } = await holder.dashboard.activity({ limit: '200' });
    const summary = await holder.dashboard.usageSummary();
    const sum = (read: (row: (typeof data)[number]) => number | bigint) =>
      data.reduce((total, row) => total + BigInt(read(row)), 0n);
    expect(summary.total.requests).toBe(data.length);
    expect(BigInt(summary.total.costNanoUsd)).toBe(sum((row) => BigInt(row.costNanoUsd)));
    expect(BigInt(summary.total.inputTokens)).toBe(sum((row) => (row.usage.input ?? 0) + (row.usage.input_cache_read ?? 0)));
    expect(BigInt(summary.total.outputTokens)).toBe(sum((row) => row.usage.output ?? 0));
    expect(summary.byKey).toEqual([{ ...summary.total, keyId: holder.key.id }]);
    expect(summary.byModel?.map(({ model }) => model).sort()).toEqual(['gpt-4o', 'gpt-4o-mini', 'llama-3.3-70b']);
  });

  it('leaves books that agree in every place, read through its owner’s own session', async () => {
    const session = {
      controlPlaneUrl: installation.service('control-plane').url,
      email: holder.email,
      password: holder.password,
    };
    expect(await installation.audit({ session, requestsMin: 4 })).toMatchObject({ differences: 0 });
  });
});
