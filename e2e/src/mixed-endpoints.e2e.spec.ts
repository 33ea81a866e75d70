import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Endpoint } from '@tensorloop/contracts/endpoint';
import { OpenAI, toFile } from 'openai';
import { silentWav } from '../../apps/gateway/test/form.js';
import { Installation, type KeyHolder, SETUP_TIMEOUT_MS } from './harness/installation.js';
import { seededRandom } from './harness/random.js';

const CALLS = 450;
const CONCURRENCY = 24;
const SEED = 20_261_122;
const TEXT = 'Every token that was served is in the ledger exactly once, whichever endpoint served it. '.repeat(8);
const WAV = silentWav(3);

let installation: Installation;
let holder: KeyHolder;

beforeAll(async () => {
  installation = await Installation.start({ gateways: 2 });
  holder = await installation.mint(await installation.signUp('internal'));
}, SETUP_TIMEOUT_MS);
afterAll(() => installation?.stop(), SETUP_TIMEOUT_MS);

interface Clients {
  openAi: OpenAI;
  anthropic: Anthropic;
}

function clientsAt(url: string): Clients {
  const shared = { apiKey: holder.key.key, maxRetries: 0 };
  return { openAi: new OpenAI({ ...shared, baseURL: `${url}/v1` }), anthropic: new Anthropic({ ...shared, baseURL: url }) };
}

interface CallOptions {
  stream: boolean;
  /** What the simulated provider shall do, of which the SDK's types know nothing. */
  x_sim: object;
  signal: AbortSignal;
}

type Answer = Promise<unknown>;

/** What the SDK gives: one answer, or events to be read to their end. */
async function readAll(answer: Answer): Promise<void> {
  const value = (await answer) as object;
  if (Symbol.asyncIterator in value) for await (const event of value as AsyncIterable<unknown>) void event;
}

const ENDPOINTS: [endpoint: Endpoint, call: (clients: Clients, options: CallOptions) => Answer][] = [
  [
    'chat.completions',
    ({ openAi }, { signal, ...rest }) =>
      openAi.chat.completions.create(
        { model: 'gpt-4o', messages: [{ role: 'user', content: TEXT }], max_tokens: 200, ...rest },
        { signal },
      ),
  ],
  [
    'completions',
    ({ openAi }, { signal, ...rest }) =>
      openAi.completions.create({ model: 'llama-3.3-70b', prompt: TEXT, max_tokens: 200, ...rest }, { signal }),
  ],
  [
    'responses',
    ({ openAi }, { signal, ...rest }) =>
      openAi.responses.create({ model: 'gpt-4o-mini', input: TEXT, max_output_tokens: 200, ...rest }, { signal }),
  ],
  [
    'messages',
    ({ anthropic }, { signal, ...rest }) =>
      anthropic.messages.create(
        { model: 'claude-haiku-4-5', max_tokens: 200, messages: [{ role: 'user', content: TEXT }], ...rest },
        { signal },
      ),
  ],
  [
    'embeddings',
    ({ openAi }, { signal, x_sim }) => {
      const body = { model: 'text-embedding-3-small', input: [TEXT, 'another'], x_sim };
      return openAi.embeddings.create(body, { signal });
    },
  ],
  [
    'rerank',
    ({ openAi }, { signal, x_sim }) => {
      const body = { model: 'bge-reranker-v2-m3', query: 'where?', documents: [TEXT, 'there'], x_sim };
      return openAi.post('/rerank', { body, signal });
    },
  ],
  [
    'images.generations',
    // Half of them by the picture, half by tokens.
    ({ openAi }, { signal, stream, x_sim }) => {
      const model = stream ? { model: 'gpt-image-1-mini' } : { model: 'dall-e-3', quality: 'hd' as const };
      const body = { ...model, prompt: TEXT, n: 2, size: '1024x1024' as const, x_sim };
      return openAi.images.generate(body, { signal });
    },
  ],
  [
    'audio.speech',
    ({ openAi }, { signal, x_sim }) => {
      const body = { model: 'tts-1', voice: 'alloy', input: TEXT, x_sim };
      return openAi.audio.speech.create(body, { signal });
    },
  ],
  [
    'audio.transcriptions',
    // Half of them by the second, half by tokens.
    async ({ openAi }, { signal, stream, x_sim }) => {
      const file = await toFile(WAV, 'speech.wav');
      const body = { file, model: stream ? 'gpt-4o-transcribe' : 'whisper-1', x_sim: JSON.stringify(x_sim) };
      return openAi.audio.transcriptions.create(body, { signal });
    },
  ],
];

/** How a provider may behave, weighted by how often it is written. */
const FAULTS = [{}, {}, {}, {}, {}, { fault: 'cut', afterChunks: 2 }, { fault: 'status', status: 500 }, { fault: 'no_usage' }];
/** Endpoints that are not told how many tokens to answer with. */
const READ_ONLY: ReadonlySet<Endpoint> = new Set([
  'embeddings',
  'rerank',
  'images.generations',
  'audio.speech',
  'audio.transcriptions',
]);

function randomCall(random: () => number, endpoint: Endpoint): Omit<CallOptions, 'signal'> & { leavesAfterMs: number | null } {
  const stream = random() < 0.5;
  const fault = FAULTS[Math.floor(random() * FAULTS.length)];
  const made = READ_ONLY.has(endpoint)
    ? { promptTokens: 200 + Math.floor(random() * 100) }
    : {
        promptTokens: 200 + Math.floor(random() * 100),
        cachedTokens: Math.floor(random() * 100),
        cacheWriteTokens: endpoint === 'messages' ? Math.floor(random() * 100) : 0,
        completionTokens: 50 + Math.floor(random() * 250),
        reasoningTokens: Math.floor(random() * 40),
        tokensPerChunk: 20,
        chunkMs: 1,
      };
  const leavesAfterMs = random() < 0.15 ? 5 + Math.floor(random() * 20) : null;
  return { stream, x_sim: { ...made, ...fault }, leavesAfterMs };
}

/** Errors the client is meant to see: of a provider that failed, of a stream that broke, of its own leaving. */
function isExpected(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const status = (error as { status?: number }).status;
  return status === undefined || status >= 500;
}

describe('all endpoints at once, at two gateways, with failures and clients who leave', () => {
  it('every call is in the books with the quantities that the provider served, and charged exactly', async () => {
    const random = seededRandom(SEED);
    const clients = [clientsAt(installation.gatewayUrl), clientsAt(installation.urlOf('gateway-2'))];
    const unexpected: unknown[] = [];
    let begun = 0;
    const lane = async () => {
      while (begun < CALLS) {
        const index = begun++;
        const [endpoint, call] = ENDPOINTS[index % ENDPOINTS.length] as (typeof ENDPOINTS)[number];
        const { leavesAfterMs, ...options } = randomCall(random, endpoint);
        const signal = leavesAfterMs === null ? new AbortController().signal : AbortSignal.timeout(leavesAfterMs);
        const at = clients[Math.floor(random() * clients.length)] as Clients;
        await readAll(call(at, { ...options, signal })).catch((error: unknown) => {
          if (!isExpected(error)) unexpected.push({ endpoint, error });
        });
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, lane));
    expect(unexpected).toEqual([]);

    await installation.auditExactly(CALLS / 2);
    const rows = await installation.database.query<{ endpoint: string; charged: string; failed: string }>(
      `SELECT endpoint, count(*) FILTER (WHERE charge_nano_usd > 0) AS charged, count(*) FILTER (WHERE outcome LIKE 'upstream%') AS failed
           FROM metering.usage GROUP BY endpoint ORDER BY endpoint`,
    );
    expect(rows.map(({ endpoint }) => endpoint)).toEqual(ENDPOINTS.map(([endpoint]) => endpoint).sort());
    // A proof over calls that all failed, or of which none did, would prove little.
    for (const { charged, failed } of rows) {
      expect(Number(charged)).toBeGreaterThan(CALLS / ENDPOINTS.length / 4);
      expect(Number(failed)).toBeGreaterThan(0);
    }
  });
});
