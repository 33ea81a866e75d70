import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseUsd } from '@tensorloop/kernel/money';
import OpenAI, { APIUserAbortError } from 'openai';
import { type ChatCall, chat, chatStream, PROMPT, PROMPT_TOKENS, refusalOf } from './harness/chat.js';
import { Installation, type KeyHolder, SETUP_TIMEOUT_MS } from './harness/installation.js';
import { seededRandom } from './harness/random.js';

const PARALLEL_CALLERS = 500;
const BUDGET_USD = '1';
const SEED = 20_261_121;
const TEST_TIMEOUT_MS = 60_000;
/** Attempts of one caller who is told to come back. Far more than any needs: a caller who runs out has been starved. */
const ATTEMPTS_MAX = 60;
/** The gateway's own advice is longer; 500 callers who come back sooner are the harder case. */
const RETRY_MS = 150;
/** What gpt-4o's prompt here is held for at most: 1,000 tokens. */
const PROMPT_HOLD_NANO_USD = 2_500_000n;
/** Long enough that all callers are under way at once, on a machine that is slow to start them too. */
const LATENCY_MS = 250;
const OUTPUT_NANO_USD = 10_000n;
/** Choices of the call of the remaining size: one alone could not be as large, by the model's own limit. */
const CHOICES = 8n;

let installation: Installation;
let holder: KeyHolder;

beforeAll(async () => {
  installation = await Installation.start({ gateways: 2 });
  holder = await installation.mint(await installation.signUp('internal'), { budgetUsd: BUDGET_USD });
}, SETUP_TIMEOUT_MS);
afterAll(() => installation?.stop(), SETUP_TIMEOUT_MS);

interface Caller {
  call: ChatCall;
  isStream: boolean;
  /** Leaves after this many pieces of text, or never. */
  leavesAfter: number | null;
  client: OpenAI;
}

/** Models, sizes, gateways, streams and abortions mixed. One caller in ten names no limit. */
function mixedCallers(random: () => number, cheapShare: number): Caller[] {
  const second = installation.atSecondGateway(holder).client;
  return Array.from({ length: PARALLEL_CALLERS }, (_, index) => {
    const model = random() < cheapShare ? (random() < 0.5 ? 'gpt-4o-mini' : 'llama-3.3-70b') : 'gpt-4o';
    const isStream = random() < 0.6;
    const limit = random() < 0.1 ? {} : { maxTokens: 400 };
    const completionTokens = 50 + Math.floor(random() * 450);
    return {
      call: { model, ...limit, sim: { latencyMs: LATENCY_MS, completionTokens, tokensPerChunk: 25, chunkMs: 1 } },
      isStream,
      leavesAfter: isStream && random() < 0.3 ? Math.floor(random() * 5) : null,
      client: index % 2 === 0 ? holder.client : second,
    };
  });
}

type Ending = 'served' | 'left' | 'spent' | 'starved';

/** How often a caller was told that what is left is held by others. */
let heldAnswers = 0;

/** Calls until served, told that the budget is spent, or gone. Any other answer fails the test. */
async function callUntilEnded(caller: Caller): Promise<Ending> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    try {
      return await callOnce(caller);
    } catch (error) {
      if (!(error instanceof OpenAI.APIError)) throw error;
      if (error.type === 'budget_exceeded') return 'spent';
      if (error.code !== 'budget_held') throw error;
      heldAnswers++;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
  return 'starved';
}

async function callOnce({ client, call, isStream, leavesAfter }: Caller): Promise<Ending> {
  if (!isStream) {
    await chat(client, call);
    return 'served';
  }
  const leaving = new AbortController();
  let pieces = 0;
  const onText = () => {
    if (pieces++ === leavesAfter) leaving.abort();
  };
  try {
    await chatStream(client, { ...call, signal: leaving.signal, onText });
  } catch (error) {
    if (!(error instanceof APIUserAbortError)) throw error;
  }
  return leaving.signal.aborted ? 'left' : 'served';
}

async function callAll(callers: Caller[]): Promise<Record<Ending, number>> {
  const count: Record<Ending, number> = { served: 0, left: 0, spent: 0, starved: 0 };
  for (const ending of await Promise.all(callers.map(callUntilEnded))) count[ending]++;
  return count;
}

async function leftNanoUsd(): Promise<bigint> {
  const [row] = await installation.database.query<{ spent: string }>(
    'SELECT coalesce(sum(charge_nano_usd), 0) AS spent FROM metering.usage WHERE key_id = $1',
    [holder.key.id],
  );
  return parseUsd(BUDGET_USD) - BigInt(row?.spent ?? 0);
}

/** A call that is held for `nanoUsd` of output beside its prompt, and uses next to nothing of it. */
function callHeldFor(nanoUsd: bigint): Promise<unknown> {
  return holder.client.chat.completions.create({
    model: 'gpt-4o',
    messages: [{ role: 'user', content: PROMPT }],
    n: Number(CHOICES),
    max_tokens: Number(nanoUsd / (OUTPUT_NANO_USD * CHOICES)),
    x_sim: { promptTokens: PROMPT_TOKENS, completionTokens: 1 },
  } as OpenAI.ChatCompletionCreateParamsNonStreaming);
}

async function expectBooksExact(calls: number): Promise<void> {
  const report = await installation.auditExactly(calls);
  for (const name of ['redis: open holds = 0', 'redis: total = metering, nothing settled or held'])
    expect(report.checks.find((check) => check.name === name)).toMatchObject({ differenceCount: 0 });
}

describe(`${PARALLEL_CALLERS} parallel callers at two gateways on a key with $${BUDGET_USD} left (TL-4)`, () => {
  it(
    'all are served when their true cost fits, though their holds are many times the budget; afterwards a call of the whole remainder is admitted',
    async () => {
      const { served, left, spent, starved } = await callAll(mixedCallers(seededRandom(SEED), 0.85));
      expect({ spent, starved, ended: served + left }).toEqual({ spent: 0, starved: 0, ended: PARALLEL_CALLERS });
      expect(left).toBeGreaterThan(PARALLEL_CALLERS / 20);
      // Without it the calls would not have been in each other's way, and nothing would be proved.
      expect(heldAnswers).toBeGreaterThan(PARALLEL_CALLERS / 10);
      await expectBooksExact(PARALLEL_CALLERS);
      const remaining = await leftNanoUsd();
      expect(remaining).toBeGreaterThan(0n);
      // A hold or a counter left standing would refuse it; one token per choice more cannot fit and is refused for good.
      expect(await refusalOf(callHeldFor(remaining + OUTPUT_NANO_USD * CHOICES))).toMatchObject({ type: 'budget_exceeded' });
      await callHeldFor(remaining - PROMPT_HOLD_NANO_USD);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'not a nano-dollar is overspent when far more is asked for than is left, and no refusal is temporary once the calls ended',
    async () => {
      const { served, left, spent, starved } = await callAll(mixedCallers(seededRandom(SEED + 1), 0));
      expect(starved).toBe(0);
      expect(spent).toBeGreaterThan(0);
      expect(served + left).toBeGreaterThan(0);
      await expectBooksExact(served + left);
      const remaining = await leftNanoUsd();
      expect(remaining).toBeGreaterThanOrEqual(0n);
      // Spent to the edge: less is left than the largest of these calls with a limit is held for.
      expect(remaining).toBeLessThan(PROMPT_HOLD_NANO_USD + 400n * OUTPUT_NANO_USD);
    },
    TEST_TIMEOUT_MS,
  );
});
