import Anthropic, {
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
} from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ActivityPage } from '@tensorloop/contracts/dashboard-api';
import { isUuid7 } from '@tensorloop/kernel/uuid7';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { CountingFetch } from '../harness/counting-fetch.js';
import { Installation, type KeyHolder, SETUP_TIMEOUT_MS, type Tenant } from '../harness/installation.js';

const MODEL = 'claude-haiku-4-5';
/** USD per million × 1,000: nano-USD a token of claude-haiku-4-5. */
const PRICE = { input: 1_000n, cacheRead: 100n, cacheWrite: 1_250n, output: 5_000n };

let installation: Installation;
let pro: Tenant;
let holder: KeyHolder;
let client: Anthropic;

beforeAll(async () => {
  installation = await Installation.start();
  pro = await installation.signUp('pro');
  holder = await installation.mint(pro);
  client = anthropic(holder);
}, SETUP_TIMEOUT_MS);
afterAll(() => installation?.stop(), SETUP_TIMEOUT_MS);

/** Its base URL is the gateway's own, without `/v1`: this SDK adds that by itself. */
function anthropic({ key }: KeyHolder, sent?: CountingFetch): Anthropic {
  const retries = sent === undefined ? { maxRetries: 0 } : { maxRetries: 4, fetch: sent.fetch };
  return new Anthropic({ apiKey: key.key, baseURL: installation.gatewayUrl, ...retries });
}

const SIM = { promptTokens: 60, cachedTokens: 20, cacheWriteTokens: 10, completionTokens: 12 };
const COST = 30n * PRICE.input + 20n * PRICE.cacheRead + 10n * PRICE.cacheWrite + 12n * PRICE.output;

function asked(sim: object = SIM, change: Partial<Anthropic.MessageCreateParamsNonStreaming> = {}) {
  const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'Who pays for all this, and when?' }];
  return { model: MODEL, max_tokens: 300, messages, ...change, stream: false as const, x_sim: sim };
}

function textOf({ content }: Anthropic.Message): string {
  return content.map((block) => (block.type === 'text' ? block.text : '')).join('');
}

async function rowOf(requestId: string | null | undefined, { dashboard } = holder): Promise<ActivityPage['data'][number]> {
  const find = async () => (await dashboard.activity()).data.find((row) => row.requestId === requestId);
  return waitUntil(find, { what: `call ${requestId} in the activity` });
}

async function refusalOf(call: Promise<unknown>): Promise<APIError> {
  const error = await call.then(
    () => null,
    (failure: unknown) => failure,
  );
  if (error instanceof APIError) return error;
  throw new Error('the call was expected to be refused', { cause: error });
}

describe('Anthropic for Node: messages', () => {
  it('come whole, and cost what the price list says to the nano-dollar', async () => {
    const message = await client.messages.create(asked());
    expect(message).toMatchObject({ type: 'message', role: 'assistant', stop_reason: 'end_turn' });
    expect(message.usage).toMatchObject({ input_tokens: 30, cache_read_input_tokens: 20, cache_creation_input_tokens: 10 });
    expect(isUuid7(message._request_id ?? '')).toBe(true);
    expect(await rowOf(message._request_id)).toMatchObject({
      model: MODEL,
      outcome: 'completed',
      estimated: false,
      usage: { input: 30, input_cache_read: 20, input_cache_write: 10, output: 12 },
      costNanoUsd: COST.toString(),
    });
  });

  it('come as a stream of the same text and the same price', async () => {
    const whole = await client.messages.create(asked());
    const { data: stream, request_id: requestId } = await client.messages.create({ ...asked(), stream: true }).withResponse();
    const [types, texts]: [string[], string[]] = [[], []];
    for await (const event of stream) {
      types.push(event.type);
      if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') texts.push(event.delta.text);
    }
    expect([types[0], types.at(-1)]).toEqual(['message_start', 'message_stop']);
    expect(texts.join('')).toBe(textOf(whole));
    expect(await rowOf(requestId)).toMatchObject({ stream: true, costNanoUsd: COST.toString() });
  });

  it('accumulate in the SDK’s own stream helper', async () => {
    const { x_sim, stream: _, ...body } = asked();
    const message = await client.messages.stream({ ...body, ...{ x_sim } }).finalMessage();
    expect(message.usage).toMatchObject({ input_tokens: 30, output_tokens: 12 });
    expect(message.stop_reason).toBe('end_turn');
  });

  it('take a bearer instead of x-api-key, betas and system prompts', async () => {
    const bearer = new Anthropic({
      authToken: holder.key.key,
      apiKey: null,
      baseURL: installation.gatewayUrl,
      defaultHeaders: { 'anthropic-beta': 'interleaved-thinking-2025-05-14' },
    });
    const system = [{ type: 'text' as const, text: 'Be brief.', cache_control: { type: 'ephemeral' as const } }];
    expect((await bearer.messages.create(asked(SIM, { system }))).type).toBe('message');
  });

  it('count tokens for free', async () => {
    const { max_tokens: _, stream: __, x_sim: ___, ...body } = asked();
    const newcomer = await installation.mint(await installation.signUp('pro'), { rpm: 1 });
    for (let round = 0; round < 3; round++)
      expect((await anthropic(newcomer).messages.countTokens(body)).input_tokens).toBeGreaterThan(0);
    const { _request_id: requestId } = await anthropic(newcomer).messages.create(asked());
    await rowOf(requestId, newcomer);
    expect((await newcomer.dashboard.activity()).data).toHaveLength(1);
  });
});

describe('Anthropic for Node: models', () => {
  it('are listed across pages, and found one by one', async () => {
    const ids: string[] = [];
    for await (const model of client.models.list({ limit: 1 })) ids.push(model.id);
    expect(ids).toContain(MODEL);
    expect(new Set(ids).size).toBe(ids.length);
    expect(await client.models.retrieve(MODEL)).toMatchObject({ type: 'model', id: MODEL, lifecycle: 'active' });
    expect(await refusalOf(client.models.retrieve('nobody'))).toBeInstanceOf(NotFoundError);
  });
});

describe('Anthropic for Node: errors are of the class that clients catch', () => {
  it('AuthenticationError for a key that is none', async () => {
    const stranger = new Anthropic({ apiKey: 'tl_none', baseURL: installation.gatewayUrl, maxRetries: 0 });
    const error = await refusalOf(stranger.messages.create(asked()));
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error).toMatchObject({ type: 'authentication_error', errorCode: 'invalid_api_key' });
    expect(isUuid7(error.requestID ?? '')).toBe(true);
  });

  it('PermissionDeniedError for a model outside the allowlist', async () => {
    const narrow = anthropic(await installation.mint(pro, { models: ['claude-sonnet-4-5'] }));
    const error = await refusalOf(narrow.messages.create(asked()));
    expect(error).toBeInstanceOf(PermissionDeniedError);
    expect(error).toMatchObject({ type: 'permission_error', errorCode: 'model_not_allowed' });
  });

  it('BadRequestError with the field in its words', async () => {
    const error = await refusalOf(client.messages.create(asked(SIM, { max_tokens: 0 })));
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error.apiMessage).toContain('max_tokens');
  });

  it('NotFoundError for what is not served here', async () => {
    expect(await refusalOf(client.messages.batches.list())).toBeInstanceOf(NotFoundError);
  });

  it('RateLimitError for requests per minute, told from a spent budget by its type', async () => {
    const slow = anthropic(await installation.mint(pro, { rpm: 1 }));
    await slow.messages.create(asked());
    const error = await refusalOf(slow.messages.create(asked()));
    expect(error).toBeInstanceOf(RateLimitError);
    expect(error).toMatchObject({ type: 'rate_limit_error', errorCode: 'rate_limit_exceeded' });
    expect(Number(error.headers?.get('retry-after-ms'))).toBeGreaterThan(0);
  });

  it.each([
    [500, 'api_error'],
    [529, 'overloaded_error'],
  ])('InternalServerError when the provider answers %i', async (status, type) => {
    const error = await refusalOf(client.messages.create(asked({ fault: 'status', status })));
    expect(error).toBeInstanceOf(InternalServerError);
    expect(error).toMatchObject({ status, type });
  });

  it('in the middle of a stream, too', async () => {
    const stream = await client.messages.create({ ...asked({ fault: 'cut', completionTokens: 40 }), stream: true });
    const reading = (async () => {
      for await (const event of stream) expect(event.type).not.toBe('message_stop');
    })();
    expect(await refusalOf(reading)).toMatchObject({ type: 'api_error', errorCode: 'upstream_cut' });
  });

  it('and a spent budget is not tried again', async () => {
    const sent = new CountingFetch();
    const eager = anthropic(await installation.mint(pro, { budgetUsd: '0.01' }), sent);
    const error = await refusalOf(eager.messages.create(asked(SIM, { max_tokens: 10_000 })));
    expect(error).toMatchObject({ status: 429, type: 'billing_error', errorCode: 'insufficient_quota' });
    expect(sent.attempts).toBe(1);
  });
});

describe('the books afterwards', () => {
  it('agree in every place with what the provider served', async () => {
    await installation.auditExactly(8);
  });
});
