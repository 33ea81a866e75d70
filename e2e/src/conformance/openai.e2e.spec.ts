import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isUuid7 } from '@tensorloop/kernel/uuid7';
import OpenAI, {
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
} from 'openai';
import { refusalOf } from '../harness/chat.js';
import { CountingFetch } from '../harness/counting-fetch.js';
import { Installation, type KeyHolder, SETUP_TIMEOUT_MS, type Tenant } from '../harness/installation.js';

const RPM_WINDOW_MS = 60_000;

let installation: Installation;
let pro: Tenant;
let holder: KeyHolder;
let client: OpenAI;

beforeAll(async () => {
  installation = await Installation.start();
  pro = await installation.signUp('pro');
  holder = await installation.mint(pro, { rpm: 300 });
  client = holder.client;
}, SETUP_TIMEOUT_MS);
afterAll(() => installation?.stop(), SETUP_TIMEOUT_MS);

/** A call's body with what the simulated provider shall do, which the SDK's types know nothing of. */
function asked(sim: object = {}, change: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming> = {}) {
  const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'What is the weather in Paris?' }];
  return { model: 'gpt-4o-mini', messages, ...change, stream: false as const, x_sim: sim };
}

const WEATHER: OpenAI.ChatCompletionTool = {
  type: 'function',
  function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
};
const ARGUMENTS = { city: 'Paris', unit: 'celsius' };

describe('OpenAI for Node: chat', () => {
  it('gives a whole answer with its usage and a request id of ours', async () => {
    const answer = await client.chat.completions.create(asked({ promptTokens: 30, completionTokens: 9 }));
    expect(answer).toMatchObject({ object: 'chat.completion', model: 'gpt-4o-mini', choices: [{ finish_reason: 'stop' }] });
    expect(answer.usage).toMatchObject({ prompt_tokens: 30, completion_tokens: 9, total_tokens: 39 });
    expect(isUuid7(answer._request_id ?? '')).toBe(true);
  });

  it('streams the same text, and usage only to those who ask', async () => {
    const whole = await client.chat.completions.create(asked({ completionTokens: 9 }));
    for (const wantsUsage of [false, true]) {
      const stream = await client.chat.completions.create({
        ...asked({ completionTokens: 9 }),
        stream: true,
        ...(wantsUsage && { stream_options: { include_usage: true } }),
      });
      const chunks: OpenAI.ChatCompletionChunk[] = [];
      for await (const chunk of stream) chunks.push(chunk);
      expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(whole.choices[0]?.message.content);
      expect(chunks.flatMap((chunk) => chunk.usage ?? []).map((usage) => usage.completion_tokens)).toEqual(
        wantsUsage ? [9] : [],
      );
    }
  });

  it('asks for tools, whole and streamed', async () => {
    const body = asked({ toolCall: { name: 'get_weather', arguments: ARGUMENTS } }, { tools: [WEATHER] });
    const whole = await client.chat.completions.create(body);
    const streamed = await client.chat.completions.stream({ ...body, stream: true }).finalChatCompletion();
    for (const { choices } of [whole, streamed]) {
      expect(choices[0]?.finish_reason).toBe('tool_calls');
      const [call] = choices[0]?.message.tool_calls ?? [];
      if (call?.type !== 'function') throw new Error('no function was called');
      expect(call.function.name).toBe('get_weather');
      expect(JSON.parse(call.function.arguments)).toEqual(ARGUMENTS);
    }
  });

  it('takes the result of a tool back', async () => {
    const call = { id: 'call_1', type: 'function' as const, function: { name: 'get_weather', arguments: '{}' } };
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      { role: 'user', content: 'What is the weather in Paris?' },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'call_1', content: '21 degrees' },
    ];
    expect((await client.chat.completions.create(asked({}, { messages, tools: [WEATHER] }))).choices).toHaveLength(1);
  });
});

describe('OpenAI for Node: responses', () => {
  const body = { model: 'gpt-4o-mini', input: 'What is the weather in Paris?', x_sim: { completionTokens: 9 } };

  it('come whole, with their usage', async () => {
    const response = await client.responses.create(body);
    expect(response).toMatchObject({ object: 'response', status: 'completed', usage: { output_tokens: 9 } });
    expect(response.output_text.trim().split(' ')).toHaveLength(9);
    expect(isUuid7(response._request_id ?? '')).toBe(true);
  });

  it('come as a stream of the same text, completed at its end', async () => {
    const whole = await client.responses.create(body);
    const stream = await client.responses.create({ ...body, stream: true });
    let text = '';
    let completed: OpenAI.Responses.Response | null = null;
    for await (const event of stream) {
      if (event.type === 'response.output_text.delta') text += event.delta;
      if (event.type === 'response.completed') completed = event.response;
    }
    expect(text).toBe(whole.output_text);
    expect(completed?.usage).toMatchObject({ output_tokens: 9 });
  });

  it('refuse what this model does not serve by the name of the field', async () => {
    const error = await refusalOf(client.responses.create({ ...body, model: 'llama-3.3-70b' }));
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error).toMatchObject({ param: 'model' });
  });
});

describe('OpenAI for Node: embeddings and models', () => {
  it('gives vectors, as the SDK asks for them in base64', async () => {
    const { data, usage } = await client.embeddings.create({ model: 'text-embedding-3-small', input: ['hello', 'there'] });
    expect(data.map(({ index, object }) => [index, object])).toEqual([
      [0, 'embedding'],
      [1, 'embedding'],
    ]);
    for (const { embedding } of data) expect(Math.hypot(...embedding)).toBeCloseTo(1, 4);
    expect(usage.total_tokens).toBeGreaterThan(0);
  });

  it('lists the models of the key, and retrieves each', async () => {
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toContain('gpt-4o-mini');
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(await client.models.retrieve(id)).toMatchObject({ id, object: 'model' });
  });
});

describe('OpenAI for Node: errors are of the class that clients catch', () => {
  const refused = async (call: Promise<unknown>) => {
    const error = await refusalOf(call);
    expect(isUuid7(error.requestID ?? '')).toBe(true);
    return error;
  };

  it('AuthenticationError for a key that is none', async () => {
    const stranger = new OpenAI({ apiKey: `${holder.key.key.slice(0, -1)}_`, baseURL: client.baseURL, maxRetries: 0 });
    const error = await refused(stranger.chat.completions.create(asked()));
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error).toMatchObject({ code: 'invalid_api_key', type: 'invalid_request_error' });
  });

  it('PermissionDeniedError for a model outside the allowlist, NotFoundError when it is looked up', async () => {
    const narrow = await installation.mint(pro, { models: ['gpt-4o-mini'] });
    const denied = await refused(narrow.client.chat.completions.create(asked({}, { model: 'gpt-4o' })));
    expect(denied).toBeInstanceOf(PermissionDeniedError);
    expect(denied).toMatchObject({ code: 'model_not_allowed', param: 'model' });
    const absent = await refused(narrow.client.models.retrieve('gpt-4o'));
    expect(absent).toBeInstanceOf(NotFoundError);
    expect(absent).toMatchObject({ code: 'model_not_found' });
  });

  it('BadRequestError naming the field, ours or the provider’s', async () => {
    const ours = await refused(client.chat.completions.create(asked({}, { max_tokens: 0 })));
    expect(ours).toBeInstanceOf(BadRequestError);
    expect(ours).toMatchObject({ code: 'invalid_value', param: 'max_tokens' });
    const theirs = await refused(client.chat.completions.create(asked({ fault: 'status', status: 400 })));
    expect(theirs).toBeInstanceOf(BadRequestError);
  });

  it('RateLimitError with the exact wait for requests per minute', async () => {
    const slow = await installation.mint(pro, { rpm: 1 });
    await slow.client.chat.completions.create(asked());
    const error = await refused(slow.client.chat.completions.create(asked()));
    expect(error).toBeInstanceOf(RateLimitError);
    expect(error).toMatchObject({ code: 'rate_limit_exceeded', type: 'rate_limit_error' });
    const waitMs = Number(error.headers?.get('retry-after-ms'));
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(RPM_WINDOW_MS);
    expect(Number(error.headers?.get('retry-after'))).toBe(Math.ceil(waitMs / 1_000));
  });

  it.each([
    ['fails', { fault: 'status', status: 500 }, 500],
    ['is overloaded', { fault: 'status', status: 503 }, 503],
    ['breaks the connection', { fault: 'refuse' }, 502],
  ])('InternalServerError when the provider %s', async (_, sim, status) => {
    const error = await refused(client.chat.completions.create(asked(sim)));
    expect(error).toBeInstanceOf(InternalServerError);
    expect(error.status).toBe(status);
  });

  it('in the middle of a stream, too', async () => {
    const stream = await client.chat.completions.create({ ...asked({ fault: 'cut', completionTokens: 40 }), stream: true });
    const reading = (async () => {
      for await (const chunk of stream) expect(chunk.object).toBe('chat.completion.chunk');
    })();
    expect(await refusalOf(reading)).toMatchObject({ code: 'upstream_cut' });
  });
});

describe('OpenAI for Node: its retries obey', () => {
  /** The same key with a client that retries, and a count of what it sends. */
  function retrying({ key }: KeyHolder, maxRetries: number): { sent: CountingFetch; client: OpenAI } {
    const sent = new CountingFetch();
    return { sent, client: new OpenAI({ apiKey: key.key, baseURL: client.baseURL, maxRetries, fetch: sent.fetch }) };
  }

  it('a spent budget: not at all', async () => {
    const { sent, client: eager } = retrying(await installation.mint(pro, { budgetUsd: '0.01' }), 5);
    const error = await refusalOf(eager.chat.completions.create(asked({}, { model: 'gpt-4o', max_tokens: 16_000 })));
    expect(error).toMatchObject({ status: 429, type: 'budget_exceeded', code: 'insufficient_quota' });
    expect(error.headers?.get('x-should-retry')).toBe('false');
    expect(sent.attempts).toBe(1);
  });

  it('a budget that calls in flight hold: until they have ended, and then the call goes through', async () => {
    const { sent, client: eager } = retrying(await installation.mint(pro, { budgetUsd: '0.01' }), 3);
    // Each holds 12,000 × 600 nano-USD, most of the budget, and in the end costs next to nothing.
    const first = eager.chat.completions.create(asked({ latencyMs: 600 }, { max_tokens: 12_000 }));
    const second = eager.chat.completions.create(asked({ latencyMs: 600 }, { max_tokens: 12_000 }));
    for (const answer of await Promise.all([first, second])) expect(answer.choices).toHaveLength(1);
    expect(sent.attempts).toBe(3);
  });

  it('the wait that a provider asks for, passed on to the millisecond', async () => {
    const { sent, client: eager } = retrying(await installation.mint(pro), 1);
    // Longer than the SDK would wait by itself, so that a wait of its own is not taken for obedience.
    const sim = { fault: 'status', status: 429, retryAfterMs: 1_200 };
    expect(await refusalOf(eager.chat.completions.create(asked(sim)))).toBeInstanceOf(RateLimitError);
    expect(sent.waitsMs).toHaveLength(1);
    expect(Math.ceil(sent.waitsMs[0] as number)).toBeGreaterThanOrEqual(1_200);
  });
});

describe('the books afterwards', () => {
  it('agree in every place with what the provider served', async () => {
    await installation.auditExactly(10);
  });
});
