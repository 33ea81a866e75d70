import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isUuid7 } from '@tensorloop/kernel/uuid7';
import OpenAI, { BadRequestError, InternalServerError, toFile } from 'openai';
import { silentWav } from '../../../apps/gateway/test/form.js';
import { refusalOf } from '../harness/chat.js';
import { Installation, SETUP_TIMEOUT_MS } from '../harness/installation.js';

const PNG_SIGNATURE = '89504e470d0a1a0a';
const WAV_SECONDS = 2;

let installation: Installation;
let client: OpenAI;

beforeAll(async () => {
  installation = await Installation.start();
  const holder = await installation.mint(await installation.signUp('pro'), { rpm: 300 });
  client = new OpenAI({ apiKey: holder.key.key, baseURL: holder.client.baseURL, maxRetries: 0 });
}, SETUP_TIMEOUT_MS);
afterAll(() => installation?.stop(), SETUP_TIMEOUT_MS);

/** What the simulated provider shall do, which the SDK's types know nothing of. */
function withSim<Body extends object>(body: Body, sim: object): Body {
  return { ...body, x_sim: sim };
}

async function recording(fields: object = {}) {
  return { file: await toFile(silentWav(WAV_SECONDS), 'speech.wav'), model: 'whisper-1', ...fields };
}

/** The cost that the headers of an answer tell. */
function costOf(response: Response): string | null {
  return response.headers.get('x-tensorloop-cost-usd');
}

describe('OpenAI for Node: images', () => {
  it('come as files, at the price of size and quality', async () => {
    const body = { model: 'dall-e-3', prompt: 'a ledger', n: 1, quality: 'hd', size: '1792x1024' } as const;
    const { data, response } = await client.images.generate({ ...body, response_format: 'b64_json' }).withResponse();
    const [image] = data.data ?? [];
    expect(
      Buffer.from(image?.b64_json ?? '', 'base64')
        .toString('hex')
        .startsWith(PNG_SIGNATURE),
    ).toBe(true);
    expect(isUuid7(response.headers.get('x-request-id') ?? '')).toBe(true);
    expect(costOf(response)).toBe('0.12');
  });

  it('of models sold by tokens come with them, and cost those', async () => {
    const body = withSim({ model: 'gpt-image-1-mini', prompt: 'a ledger', n: 2 }, { promptTokens: 10, completionTokens: 300 });
    const { data, response } = await client.images.generate(body).withResponse();
    expect(data.usage).toMatchObject({ input_tokens: 10, output_tokens: 600 });
    // 10 × 2.00 + 600 × 8.00 USD per million.
    expect(costOf(response)).toBe('0.00482');
  });

  it('as a stream are refused by the name of the field', async () => {
    const error = await refusalOf(client.images.generate({ model: 'gpt-image-1-mini', prompt: 'a', stream: true }));
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error).toMatchObject({ param: 'stream', code: 'unsupported_content' });
  });
});

describe('OpenAI for Node: speech', () => {
  it('comes as bytes of the type asked for, at the price of its characters', async () => {
    const input = 'Every character counts, 🙂 too.';
    const answer = await client.audio.speech.create({ model: 'tts-1', voice: 'alloy', input, response_format: 'opus' });
    expect(answer.headers.get('content-type')).toBe('audio/opus');
    expect((await answer.arrayBuffer()).byteLength).toBeGreaterThan(0);
    // 30 characters, one of them of two UTF-16 units, at 15 USD per million.
    expect(costOf(answer)).toBe('0.00045');
  });

  it('that breaks off is an error, and no half of a file', async () => {
    const body = withSim({ model: 'tts-1', voice: 'alloy', input: 'hello' }, { fault: 'cut' });
    const error = await refusalOf(client.audio.speech.create(body));
    expect(error).toBeInstanceOf(InternalServerError);
    expect(error).toMatchObject({ code: 'upstream_cut' });
  });
});

describe('OpenAI for Node: transcriptions', () => {
  it('of a WAV file cost its seconds', async () => {
    const x_sim = JSON.stringify({ audioSeconds: WAV_SECONDS });
    const { data, response } = await client.audio.transcriptions.create(await recording({ x_sim })).withResponse();
    expect(data.text.length).toBeGreaterThan(0);
    expect(costOf(response)).toBe('0.0002');
  });

  it('come with segments, as text and as subtitles', async () => {
    const verbose = await client.audio.transcriptions.create({ ...(await recording()), response_format: 'verbose_json' });
    expect(verbose.segments?.[0]?.text).toBe(verbose.text);
    const text: unknown = await client.audio.transcriptions.create({ ...(await recording()), response_format: 'text' });
    expect(typeof text).toBe('string');
    const subtitles: unknown = await client.audio.transcriptions.create({ ...(await recording()), response_format: 'vtt' });
    expect(String(subtitles).startsWith('WEBVTT')).toBe(true);
  });

  it('of models sold by tokens cost those', async () => {
    const fields = { model: 'gpt-4o-transcribe', x_sim: JSON.stringify({ promptTokens: 100, completionTokens: 10 }) };
    const { data, response } = await client.audio.transcriptions.create(await recording(fields)).withResponse();
    expect(data.usage).toMatchObject({ type: 'tokens', input_tokens: 100, output_tokens: 10 });
    // 100 × 6.00 + 10 × 10.00 USD per million.
    expect(costOf(response)).toBe('0.0007');
  });

  it('as a stream are refused by the name of the field', async () => {
    const error = await refusalOf(client.audio.transcriptions.create({ ...(await recording()), stream: true }));
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error).toMatchObject({ param: 'stream', code: 'unsupported_content' });
  });
});

describe('the books afterwards', () => {
  it('agree in every place with what the provider served', async () => {
    await installation.auditExactly(8);
  });
});
