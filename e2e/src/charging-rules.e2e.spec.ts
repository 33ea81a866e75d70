import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readGauge } from '@tensorloop/bench/audit/journal-checks';
import type { ActivityPage } from '@tensorloop/contracts/dashboard-api';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { chat, chatStream, PROMPT_TOKENS, type Sim } from './harness/chat.js';
import { Installation, type KeyHolder, SETUP_TIMEOUT_MS } from './harness/installation.js';
import { priceOf } from './harness/prices.js';

type Row = ActivityPage['data'][number];

let installation: Installation;
let holder: KeyHolder;

beforeAll(async () => {
  installation = await Installation.start();
  holder = await installation.mint(await installation.signUp('internal'));
}, SETUP_TIMEOUT_MS);
afterAll(() => installation?.stop(), SETUP_TIMEOUT_MS);

/** Makes one call, lets it end as it will, and returns the one row that it left. */
async function rowOf(call: () => Promise<unknown>): Promise<Row> {
  const before = new Set((await holder.dashboard.activity({ limit: '200' })).data.map((row) => row.requestId));
  await call().catch(() => undefined);
  return waitUntil(
    async () => {
      const fresh = (await holder.dashboard.activity({ limit: '200' })).data.filter((row) => !before.has(row.requestId));
      if (fresh.length > 1) throw new Error(`one call left ${fresh.length} rows`);
      return fresh[0];
    },
    { what: 'the row of the call' },
  );
}

const streamed = (sim: Sim) => () => chatStream(holder.client, { sim, maxTokens: 500 });
const whole = (sim: Sim) => () => chat(holder.client, { sim, maxTokens: 500 });

describe('a client that leaves in the middle of a stream', () => {
  it('is charged for the full output (TL-9)', async () => {
    const sim = { completionTokens: 60, chunkMs: 10, firstTokenMs: 10 };
    const row = await rowOf(async () => {
      const leaving = new AbortController();
      await chatStream(holder.client, { sim, signal: leaving.signal, onText: (text) => text !== '' && leaving.abort() });
    });
    expect(row).toMatchObject({
      outcome: 'client_aborted',
      estimated: false,
      usage: { input: PROMPT_TOKENS, output: 60 },
      costNanoUsd: priceOf('gpt-4o-mini', { prompt: PROMPT_TOKENS, completion: 60 }).toString(),
    });
  });

  it('is charged for the full output when it left before the first byte', async () => {
    const leaving = new AbortController();
    const sim = { completionTokens: 40, latencyMs: 300 };
    const row = await rowOf(async () => {
      const call = chat(holder.client, { sim, signal: leaving.signal });
      // Gone once the provider has the call: a call that never reached it is another case.
      await waitUntil(async () => (await openCallsUpstream()) > 0, { what: 'the call to reach the provider' });
      leaving.abort();
      await call;
    });
    expect(row).toMatchObject({ outcome: 'client_aborted', usage: { input: PROMPT_TOKENS, output: 40 } });
  });
});

/** Calls that the provider is working on, by its own count. */
async function openCallsUpstream(): Promise<number> {
  const response = await fetch(new URL('/metrics', installation.service('upstream-sim').url));
  return readGauge(await response.text(), 'upstream_sim_open_calls');
}

describe('a call that failed upstream costs nothing and can be found in the activity (TL-9, TL-10)', () => {
  it.each<[string, () => () => Promise<unknown>, Partial<Row>]>([
    ['answered 500', () => whole({ fault: 'status', status: 500 }), { outcome: 'upstream_error', httpStatus: 500 }],
    [
      'answered 503, streamed',
      () => streamed({ fault: 'status', status: 503 }),
      { outcome: 'upstream_error', httpStatus: 503 },
    ],
    ['answered 429', () => whole({ fault: 'status', status: 429 }), { outcome: 'upstream_error', httpStatus: 429 }],
    ['connection refused', () => whole({ fault: 'refuse' }), { outcome: 'upstream_error', httpStatus: 502 }],
    [
      'cut in the middle of a body',
      () => whole({ fault: 'cut_json', completionTokens: 50 }),
      { outcome: 'upstream_cut', httpStatus: 502 },
    ],
    // The client has had its 200 when a stream breaks.
    [
      'cut in the middle of a stream',
      () => streamed({ fault: 'cut', completionTokens: 50, chunkMs: 5 }),
      { outcome: 'upstream_cut', httpStatus: 200 },
    ],
  ])('%s', async (_name, call, expected) => {
    const row = await rowOf(call());
    expect(row).toMatchObject({ ...expected, costNanoUsd: '0', keyId: holder.key.id, model: 'gpt-4o-mini' });
  });
});

describe('an upstream that breaks its own rules', () => {
  it('sends no usage: the call is counted by us, flagged estimated, and never above what was served', async () => {
    const row = await rowOf(streamed({ fault: 'no_usage', completionTokens: 50 }));
    expect(row).toMatchObject({ outcome: 'completed', estimated: true });
    expect(BigInt(row.costNanoUsd)).toBeGreaterThan(0n);
    expect(BigInt(row.costNanoUsd)).toBeLessThanOrEqual(priceOf('gpt-4o-mini', { prompt: PROMPT_TOKENS, completion: 50 }));
  });

  it('ignores max_tokens: the customer pays no more than was held, the rest is the platform’s', async () => {
    const row = await rowOf(() =>
      chat(holder.client, { maxTokens: 20, sim: { fault: 'ignore_max_tokens', completionTokens: 5_000 } }),
    );
    const [books] = await installation.database.query<{ hold: string; charge: string; overrun: string }>(
      'SELECT hold_nano_usd AS hold, charge_nano_usd AS charge, overrun_nano_usd AS overrun FROM metering.usage WHERE request_id = $1',
      [row.requestId],
    );
    expect(books?.charge).toBe(books?.hold);
    expect(row.costNanoUsd).toBe(books?.hold);
    expect(BigInt(books?.charge ?? 0) + BigInt(books?.overrun ?? 0)).toBe(
      priceOf('gpt-4o-mini', { prompt: PROMPT_TOKENS, completion: 5_000 }),
    );
  });
});

it('after all of that the books agree in every place', async () => {
  await installation.auditExactly(10);
});
