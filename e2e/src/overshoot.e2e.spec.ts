import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseUsd } from '@tensorloop/kernel/money';
import { waitUntil } from '@tensorloop/testing/wait-until';
import OpenAI, { APIUserAbortError } from 'openai';
import { type ChatCall, chat, chatStream, PROMPT, PROMPT_TOKENS, refusalOf } from './harness/chat.js';
import { Installation, type KeyHolder, SETUP_TIMEOUT_MS, type Tenant } from './harness/installation.js';
import { priceOf } from './harness/prices.js';
import { seededRandom } from './harness/random.js';

const PARALLEL_CALLERS = 500;
const BUDGET_USD = '1';
const RAISED_BUDGET_USD = '1.01';
const SEED = 20_261_121;
/** Attempts of one caller who is told to come back. Far more than any needs: a caller who runs out has been starved. */
const ATTEMPTS_MAX = 250;
/** The gateway's own advice is longer; 500 callers who come back sooner are the harder case. */
const RETRY_MS = 150;
/** Long enough that all callers are under way at once, on a machine that is slow to start them too. */
const LATENCY_MS = 750;
/** Choices of the call of the remaining size: one alone could not be as large, by the model's own limit. */
const CHOICES = 8n;

let installation: Installation;
let tenant: Tenant;

beforeAll(async () => {
  installation = await Installation.start({ gateways: 2 });
  tenant = await installation.signUp('internal');
}, SETUP_TIMEOUT_MS);
afterAll(() => installation?.stop(), SETUP_TIMEOUT_MS);

interface Caller {
  call: ChatCall;
  isStream: boolean;
  /** Leaves after this many pieces of text, or never. */
  leavesAfter: number | null;
  client: OpenAI;
}

interface Mix {
  cheapShare: number;
  /** The limit of those who name one. One caller in ten names none. */
  maxTokens: number;
}

/** What all of run 1 use together is less than the budget, and what they are held for far more. */
const FITTING: Mix = { cheapShare: 0.85, maxTokens: 400 };
/** What those of run 2 use who stay to the end is more than twice the budget. */
const EXCEEDING: Mix = { cheapShare: 0.3, maxTokens: 1_200 };

/** Models, sizes, gateways, streams and abortions mixed. */
function mixedCallers(holder: KeyHolder, random: () => number, { cheapShare, maxTokens }: Mix): Caller[] {
  const second = installation.atSecondGateway(holder).client;
  return Array.from({ length: PARALLEL_CALLERS }, (_, index) => {
    const model = random() < cheapShare ? (random() < 0.5 ? 'gpt-4o-mini' : 'llama-3.3-70b') : 'gpt-4o';
    const isStream = random() < 0.6;
    const limit = random() < 0.1 ? {} : { maxTokens };
    const completionTokens = Math.floor(maxTokens * (0.125 + random() * 1.125));
    return {
      call: { model, ...limit, sim: { latencyMs: LATENCY_MS, completionTokens, tokensPerChunk: 25, chunkMs: 1 } },
      isStream,
      leavesAfter: isStream && random() < 0.3 ? Math.floor(random() * 5) : null,
      client: index % 2 === 0 ? holder.client : second,
    };
  });
}

/** What a call comes to when it is served whole. */
function costOf({ model, maxTokens, sim }: ChatCall): bigint {
  const completion = Math.min(sim?.completionTokens ?? 0, maxTokens ?? Number.POSITIVE_INFINITY);
  return priceOf(model as string, { prompt: PROMPT_TOKENS, completion });
}

type Ending = 'served' | 'left' | 'spent' | 'starved';

/** How often a caller was told that what is left is held by others. */
let heldAnswers = 0;
/** Said of calls that were not made, for want of time: 500 callers at once are that much for a slow machine. */
const NOT_MADE = ['admission_unavailable', 'overloaded'];
/** More of those than this, by all callers of a test, and it is the gateways that are slow. */
const NOT_MADE_ANSWERS_MAX = 5 * PARALLEL_CALLERS;
let notMadeAnswers = 0;

/** Calls until served, told that the budget is spent, or gone. Any other answer fails the test. */
async function callUntilEnded(caller: Caller): Promise<Ending> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    try {
      return await callOnce(caller);
    } catch (error) {
      if (!(error instanceof OpenAI.APIError)) throw error;
      if (error.type === 'budget_exceeded') return 'spent';
      if (error.code === 'budget_held') heldAnswers++;
      else if (NOT_MADE.includes(error.code ?? '')) notMadeAnswers++;
      else throw error;
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
  notMadeAnswers = 0;
  for (const ending of await Promise.all(callers.map(callUntilEnded))) count[ending]++;
  expect(notMadeAnswers).toBeLessThanOrEqual(NOT_MADE_ANSWERS_MAX);
  return count;
}

async function leftNanoUsd(holder: KeyHolder): Promise<bigint> {
  const [row] = await installation.database.query<{ spent: string }>(
    'SELECT coalesce(sum(charge_nano_usd), 0) AS spent FROM metering.usage WHERE key_id = $1',
    [holder.key.id],
  );
  return parseUsd(BUDGET_USD) - BigInt(row?.spent ?? 0);
}

/** What a prompt here is held for at most, 1,000 tokens, and what a token of output costs. */
const HOLDS = {
  'gpt-4o': { prompt: 2_500_000n, output: 10_000n },
  'gpt-4o-mini': { prompt: 150_000n, output: 600n },
};
type Model = keyof typeof HOLDS;

/** A call that is held for `nanoUsd` of output beside its prompt, and uses next to nothing of it. */
function callHeldFor(holder: KeyHolder, model: Model, nanoUsd: bigint): Promise<unknown> {
  return holder.client.chat.completions.create({
    model,
    messages: [{ role: 'user', content: PROMPT }],
    n: Number(CHOICES),
    max_tokens: Number(nanoUsd / (HOLDS[model].output * CHOICES)),
    x_sim: { promptTokens: PROMPT_TOKENS, completionTokens: 1 },
  } as OpenAI.ChatCompletionCreateParamsNonStreaming);
}

/** A hold or a counter left standing would refuse the first; one token per choice more than is left is refused for good. */
async function expectNothingStanding(holder: KeyHolder, model: Model, left: bigint): Promise<void> {
  const { prompt, output } = HOLDS[model];
  const tooMuch = callHeldFor(holder, model, left + output * CHOICES);
  expect(await refusalOf(tooMuch)).toMatchObject({ type: 'budget_exceeded' });
  await callHeldFor(holder, model, left - prompt);
}

async function expectBooksExact(calls: number): Promise<void> {
  const report = await installation.auditExactly(calls);
  for (const name of ['redis: open holds = 0', 'redis: total = metering, nothing settled or held'])
    expect(report.checks.find((check) => check.name === name)).toMatchObject({ differenceCount: 0 });
}

describe(`${PARALLEL_CALLERS} parallel callers at two gateways on a key with $${BUDGET_USD} left (TL-4)`, () => {
  it('all are served when their true cost fits, though their holds are many times the budget; afterwards a call of the whole remainder is admitted', async () => {
    const holder = await installation.mint(tenant, { budgetUsd: BUDGET_USD });
    const { served, left, spent, starved } = await callAll(mixedCallers(holder, seededRandom(SEED), FITTING));
    expect({ spent, starved, ended: served + left }).toEqual({ spent: 0, starved: 0, ended: PARALLEL_CALLERS });
    expect(left).toBeGreaterThan(PARALLEL_CALLERS / 20);
    // Without any the calls would not have been in each other's way. How many depends on how fast the machine is.
    expect(heldAnswers).toBeGreaterThan(0);
    await expectBooksExact(PARALLEL_CALLERS);
    const remaining = await leftNanoUsd(holder);
    expect(remaining).toBeGreaterThan(0n);
    await expectNothingStanding(holder, 'gpt-4o', remaining);
  });

  it('not a nano-dollar is overspent when cheap and dear calls ask for more than twice of it, and no refusal is temporary once they ended', async () => {
    const holder = await installation.mint(tenant, { budgetUsd: BUDGET_USD });
    const callers = mixedCallers(holder, seededRandom(SEED + 1), EXCEEDING);
    const staying = callers.filter(({ leavesAfter }) => leavesAfter === null);
    const asked = staying.reduce((sum, { call }) => sum + costOf(call), 0n);
    expect(asked).toBeGreaterThan(2n * parseUsd(BUDGET_USD));
    const { served, left, spent, starved } = await callAll(callers);
    expect(starved).toBe(0);
    expect(spent).toBeGreaterThan(0);
    expect(served).toBeGreaterThan(0);
    expect(left).toBeGreaterThan(0);
    await expectBooksExact(PARALLEL_CALLERS + served + left);
    const remaining = await leftNanoUsd(holder);
    expect(remaining).toBeGreaterThanOrEqual(0n);
    // Spent to the edge: less is left than the largest of these calls with a limit is held for.
    const { prompt, output } = HOLDS['gpt-4o'];
    expect(remaining).toBeLessThan(prompt + BigInt(EXCEEDING.maxTokens) * output);
    // What is left may be too little for any call at all; with a cent more it must all be there to be had.
    await tenant.dashboard.send('PATCH', `/api/keys/${holder.key.id}`, { budgetUsd: RAISED_BUDGET_USD });
    const raised = remaining + parseUsd(RAISED_BUDGET_USD) - parseUsd(BUDGET_USD);
    const isRaised = () => callHeldFor(holder, 'gpt-4o-mini', raised - HOLDS['gpt-4o-mini'].prompt);
    await waitUntil(isRaised, { what: 'a call of the whole remainder to be admitted' });
  });
});
