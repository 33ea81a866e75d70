import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { chatStream } from './harness/chat.js';
import { Installation, type KeyHolder, SETUP_TIMEOUT_MS } from './harness/installation.js';
import { startTraffic } from './harness/traffic.js';

const ROUNDS = 2;
const CALLS_PER_ROUND = 60;
const LONG_STREAMS = 6;
const TEST_TIMEOUT_MS = 300_000;
/**
 * Slow enough that every lane has a call under way at any instant, streams in the middle of their answer; and that the provider begins
 * long after a call's record is on the disk, which is written while it is asked. One that begins earlier serves a call of which nobody
 * is told if the gateway dies in between, neither its client nor the books.
 */
const SIM = { latencyMs: 250, firstTokenMs: 250, chunkMs: 10, completionTokens: 20 };
/** Long enough to pass a progress record (every 2 s, or 512 tokens) before the gateway dies. */
const LONG_SIM = { completionTokens: 3_000, tokensPerChunk: 20, chunkMs: 25 };

let installation: Installation;
let holder: KeyHolder;

beforeAll(async () => {
  installation = await Installation.start();
  holder = await installation.mint(await installation.signUp('internal'), { models: ['gpt-4o-mini', 'gpt-4o'] });
}, SETUP_TIMEOUT_MS);
afterAll(() => installation?.stop(), SETUP_TIMEOUT_MS);

interface Death {
  completed: string[];
  received: string[];
}

/** Kills the gateway with streams and whole calls under way, and starts it again on its journal. */
async function killInMidTraffic(): Promise<Death> {
  const traffic = startTraffic(holder.client, { concurrency: 12, sim: SIM });
  const received: string[] = Array.from({ length: LONG_STREAMS }, () => '');
  const streams = received.map((_, index) =>
    chatStream(holder.client, {
      sim: LONG_SIM,
      onText: (text) => {
        received[index] += text;
      },
    }).catch(() => undefined),
  );
  const tokensReceived = () => Math.min(...received.map((text) => text.trim().split(' ').length));
  await waitUntil(() => traffic.completed.length >= CALLS_PER_ROUND && tokensReceived() > 600, {
    what: 'streams in the middle and calls completed',
  });
  await installation.service('gateway').kill();
  await Promise.all(streams);
  await installation.service('gateway').restart();
  const before = traffic.completed.length;
  await waitUntil(() => traffic.completed.length >= before + CALLS_PER_ROUND / 2, {
    what: 'the restarted gateway to serve',
  });
  await traffic.stop();
  expect(traffic.failed.length).toBeGreaterThan(0);
  return { completed: traffic.completed, received };
}

describe('kill -9 of the gateway in mid-traffic', () => {
  it(
    'loses no call, charges none twice, and leaves exact books, twice in a row',
    async () => {
      const deaths: Death[] = [];
      for (let round = 0; round < ROUNDS; round++) deaths.push(await killInMidTraffic());
      const completed = deaths.flatMap((death) => death.completed);
      await installation.auditExactly(completed.length);

      const booked = await installation.database.query<{ request_id: string }>(
        `SELECT request_id FROM metering.usage WHERE request_id = ANY ($1) AND outcome = 'completed' AND NOT is_estimated`,
        [completed],
      );
      expect(booked).toHaveLength(completed.length);
    },
    TEST_TIMEOUT_MS,
  );

  it('flags the calls it cut as estimated, and charges what was counted, never above what reached the client’s side', async () => {
    const cut = await installation.database.query<{
      is_estimated: boolean;
      charge: string;
      output: number;
      is_stream: boolean;
    }>(
      `SELECT is_estimated, charge_nano_usd AS charge, is_stream, coalesce((quantities ->> 'output')::int, 0) AS output
         FROM metering.usage WHERE outcome = 'gateway_died'`,
    );
    expect(cut.length).toBeGreaterThanOrEqual(ROUNDS * LONG_STREAMS);
    expect(cut.every((call) => call.is_estimated)).toBe(true);
    // The long streams had passed a progress record, so they are not free.
    expect(cut.filter((call) => call.output > 0).length).toBeGreaterThanOrEqual(ROUNDS * LONG_STREAMS);
  });
});
