import OpenAI from 'openai';

/** How the simulated provider answers one call (its own documentation has them all). */
export interface Sim {
  promptTokens?: number;
  cachedTokens?: number;
  completionTokens?: number;
  latencyMs?: number;
  firstTokenMs?: number;
  chunkMs?: number;
  tokensPerChunk?: number;
  fault?: string;
  status?: number;
  afterChunks?: number;
}

export interface ChatCall {
  model?: string;
  maxTokens?: number;
  sim?: Sim;
  signal?: AbortSignal;
}

/**
 * About 90 tokens of English. The provider reports PROMPT_TOKENS for it, more than any tokenizer counts, so that "an
 * estimate is never above what was served" can be asked of calls whose prompt we had to count ourselves.
 */
export const PROMPT =
  'Tell me in one sentence why every token that was served must be found in the ledger exactly once. '.repeat(4);
export const PROMPT_TOKENS = 150;

/** The official client, told not to repeat a call by itself: a test counts calls. */
export function openAi(gatewayUrl: string, apiKey: string): OpenAI {
  return new OpenAI({ apiKey, baseURL: `${gatewayUrl}/v1`, maxRetries: 0 });
}

function body({ model = 'gpt-4o-mini', maxTokens, sim = {} }: ChatCall) {
  return {
    model,
    messages: [{ role: 'user' as const, content: PROMPT }],
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    x_sim: { promptTokens: PROMPT_TOKENS, ...sim },
  };
}

export interface ChatAnswer {
  requestId: string;
  text: string;
  headers: Headers;
}

export async function chat(client: OpenAI, call: ChatCall = {}): Promise<ChatAnswer> {
  const { data, response } = await client.chat.completions.create(body(call), { signal: call.signal }).withResponse();
  return { requestId: requestIdOf(response), text: data.choices[0]?.message.content ?? '', headers: response.headers };
}

export interface StreamOptions extends ChatCall {
  /** Called with each piece of text as it arrives; what it throws ends the reading. */
  onText?: (text: string) => void;
}

export async function chatStream(client: OpenAI, call: StreamOptions = {}): Promise<ChatAnswer> {
  const { data, response } = await client.chat.completions
    .create({ ...body(call), stream: true }, { signal: call.signal })
    .withResponse();
  let text = '';
  for await (const chunk of data) {
    const piece = chunk.choices[0]?.delta.content ?? '';
    text += piece;
    call.onText?.(piece);
  }
  return { requestId: requestIdOf(response), text, headers: response.headers };
}

function requestIdOf(response: Response): string {
  const requestId = response.headers.get('x-request-id');
  if (requestId === null) throw new Error('the gateway answered without x-request-id');
  return requestId;
}

/** The refusal a call met, as the SDK shows it. Fails when the call went through. */
export async function refusalOf(call: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  try {
    await call;
  } catch (error) {
    if (error instanceof OpenAI.APIError) return error;
    throw error;
  }
  throw new Error('the call was expected to be refused and went through');
}
