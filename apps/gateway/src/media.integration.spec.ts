import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Endpoint } from '@tensorloop/contracts/endpoint';
import type { Deployment } from '@tensorloop/contracts/model-catalogue';
import { readOracleFile } from '@tensorloop/testing/oracle-file';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { FORM_TYPE, type FormPart, formBody, silentWav } from '../test/form.js';
import { GatewayFixture } from '../test/gateway-fixture.js';
import { ScriptedProvider } from '../test/scripted-provider.js';
import type { TestKey } from '../test/test-keys.js';
import { testModel } from '../test/test-models.js';
import { DRAIN_BYTES_MAX } from './proxy/answer.js';

/** In nano-USD, by the prices below: 40,000 USD for a million pictures, 15 for characters, 100 for seconds. */
const PICTURE = 40_000_000n;
const LARGE_PICTURE = 80_000_000n;
const CHARACTER = 15_000n;
const SECOND = 100_000n;

let fixture: GatewayFixture;
let scripted: ScriptedProvider;
let key: TestKey;

beforeAll(async () => {
  scripted = await ScriptedProvider.start();
  const serving =
    (id: string, endpoint: Endpoint, deployment: Partial<Deployment> = {}) =>
    (url: string) =>
      testModel(id, url, { endpoints: [endpoint], maxOutputTokens: 2_000, deployment });
  const models = [
    serving('painter', 'images.generations'),
    serving('plain-painter', 'images.generations'),
    serving('gpt-image-test', 'images.generations'),
    serving('odd-painter', 'images.generations', { baseUrl: scripted.at('odd') }),
    serving('unpriced-painter', 'images.generations'),
    serving('speaker', 'audio.speech'),
    serving('loud-speaker', 'audio.speech', { baseUrl: scripted.at('loud') }),
    serving('unpriced-speaker', 'audio.speech'),
    serving('listener', 'audio.transcriptions', { upstreamModel: 'whisper-large' }),
    serving('gpt-transcribe-test', 'audio.transcriptions'),
    serving('unpriced-listener', 'audio.transcriptions'),
  ];
  const tokens = { input: '2.00', input_audio: '6.00', output: '10.00' };
  fixture = await GatewayFixture.start({
    models: (url) => [
      ...models.map((model) => model(url)),
      testModel('azure-listener', url, {
        endpoints: ['audio.transcriptions'],
        deployment: {
          provider: 'azure-openai',
          baseUrl: `${url}/openai`,
          apiVersion: '2024-10-21',
          upstreamModel: 'in-sweden',
        },
      }),
    ],
    rates: {
      painter: { image: '40000', image_large: '80000' },
      'plain-painter': { image: '40000' },
      'odd-painter': { image: '40000' },
      'gpt-image-test': { input: '2.00', output_image: '8.00' },
      'unpriced-painter': tokens,
      speaker: { character: '15' },
      'loud-speaker': { character: '15' },
      'unpriced-speaker': tokens,
      listener: { audio_second: '100' },
      'azure-listener': { audio_second: '100' },
      'gpt-transcribe-test': tokens,
      'unpriced-listener': { input: '2.00', output: '10.00' },
    },
  });
  key = await fixture.addKey({ models: ['*'], rpm: 100_000 });
});

afterAll(async () => {
  scripted?.stop();
  await fixture?.stop();
});

function post(path: string, body: object, init: RequestInit = {}): Promise<Response> {
  return fixture.post(path, key, { body: JSON.stringify(body), ...init });
}

function transcribe(model: string, fields: Record<string, string> = {}, file = silentWav(3)): Promise<Response> {
  const parts: FormPart[] = [
    { name: 'file', value: file, filename: 'speech.wav' },
    { name: 'model', value: model },
    ...Object.entries(fields).map(([name, value]) => ({ name, value })),
  ];
  const headers = { authorization: `Bearer ${key.text}`, 'content-type': FORM_TYPE };
  return fixture.post('/audio/transcriptions', key, { headers, body: new Uint8Array(formBody(parts)) });
}

const sim = (instructions: object) => JSON.stringify(instructions);

/** The call's event, once nothing is held for it any more, and what the provider itself wrote down. */
async function settled(response: Response) {
  const requestId = response.headers.get('x-request-id') as string;
  const event = await fixture.eventOf(requestId);
  const { accountTag } = key.projection;
  await waitUntil(async () => (await fixture.view.listOpen(accountTag)).every((entry) => entry.state === 'settled'), {
    what: 'every hold to be settled',
  });
  const served = (await readOracleFile(fixture.oracleFile)).find((record) => record.gatewayRequestId === requestId);
  return { event, served };
}

async function errorOf(response: Response) {
  return ((await response.json()) as { error: { code: string; param: string | null } }).error;
}

describe('images', () => {
  it.each([
    [{ n: 3 }, { image: 3 }, 3n * PICTURE],
    [{ size: '1792x1024', response_format: 'b64_json' }, { image_large: 1 }, LARGE_PICTURE],
  ])('asked for with %j are held for and charged by the picture', async (asked, usage, price) => {
    const response = await post('/images/generations', { model: 'painter', prompt: 'a ledger', ...asked });
    expect(response.status).toBe(200);
    const { data } = (await response.json()) as { data: object[] };
    expect(data).toHaveLength('n' in asked ? asked.n : 1);
    const { event, served } = await settled(response);
    expect(event).toMatchObject({ endpoint: 'images.generations', outcome: 'completed', estimated: false, stream: false });
    expect(event.usage).toEqual(usage);
    expect(event).toMatchObject({ holdNanoUsd: price.toString(), chargeNanoUsd: price.toString(), overrunNanoUsd: '0' });
    expect(served).toMatchObject({ endpoint: 'images.generations', quantities: usage });
  });

  it('of a model sold by tokens are charged by the tokens that it reports', async () => {
    const body = { model: 'gpt-image-test', prompt: 'a ledger', n: 2, x_sim: { promptTokens: 9, completionTokens: 100 } };
    const { event, served } = await settled(await post('/images/generations', body));
    expect(event).toMatchObject({ outcome: 'completed', estimated: false, usage: { input: 9, output_image: 200 } });
    expect(event.chargeNanoUsd).toBe((9n * 2_000n + 200n * 8_000n).toString());
    expect(BigInt(event.holdNanoUsd)).toBeGreaterThanOrEqual(2n * 2_000n * 8_000n);
    expect(served?.quantities).toEqual({ input: 9, output_image: 200, image: 2 });
  });

  it('of a model sold by tokens that reports none are estimated low, and flagged', async () => {
    const body = { model: 'gpt-image-test', prompt: 'a ledger of many pages', x_sim: { fault: 'no_usage' } };
    const { event } = await settled(await post('/images/generations', body));
    expect(event).toMatchObject({ outcome: 'completed', estimated: true });
    expect(event.usage.input).toBeGreaterThan(2);
    expect(event.usage).toEqual({ input: event.usage.input });
  });

  it.each([
    [3, 1, { charge: PICTURE, overrun: 0n }],
    [1, 3, { charge: PICTURE, overrun: 2n * PICTURE }],
    [2, 0, { charge: 0n, overrun: 0n }],
  ])(
    '%s asked for and %s delivered: the customer pays for those, and never above the hold',
    async (n, delivered, { charge, overrun }) => {
      const answer = JSON.stringify({ created: 1, data: Array(delivered).fill({ url: 'https://x.test/a.png' }) });
      scripted.on('odd', (res) => void res.writeHead(200, { 'content-type': 'application/json' }).end(answer));
      const { event } = await settled(await post('/images/generations', { model: 'odd-painter', prompt: 'a', n }));
      expect(event).toMatchObject({ chargeNanoUsd: charge.toString(), overrunNanoUsd: overrun.toString(), estimated: false });
    },
  );

  it.each([
    [{ fault: 'status', status: 418 }, 418, 'upstream_error'],
    [{ fault: 'cut' }, 502, 'upstream_cut'],
    [{ fault: 'malformed' }, 502, 'upstream_cut'],
  ])('whose provider fails with %j cost nothing', async (x_sim, status, outcome) => {
    const response = await post('/images/generations', { model: 'painter', prompt: 'a', x_sim });
    expect(response.status).toBe(status);
    const { event } = await settled(response);
    expect(event).toMatchObject({ outcome, chargeNanoUsd: '0', usage: {} });
  });

  it('whose client leaves are made and charged in full', async () => {
    const body = { model: 'painter', prompt: 'a', n: 2, x_sim: { latencyMs: 300 } };
    const before = (await readOracleFile(fixture.oracleFile)).length;
    const signal = AbortSignal.timeout(100);
    await expect(post('/images/generations', body, { signal })).rejects.toThrow();
    const served = await waitUntil(
      async () => (await readOracleFile(fixture.oracleFile)).slice(before).find(({ outcome }) => outcome === 'completed'),
      { what: 'the pictures to be made' },
    );
    const event = await fixture.eventOf(served?.gatewayRequestId ?? null);
    expect(event).toMatchObject({ outcome: 'client_aborted', chargeNanoUsd: (2n * PICTURE).toString(), usage: { image: 2 } });
  });

  it('of a kind that has no price, or of a model that has none for images, are refused and never free', async () => {
    for (const body of [{ model: 'unpriced-painter' }, { model: 'plain-painter', quality: 'hd' }]) {
      const response = await post('/images/generations', { prompt: 'a', ...body });
      expect(response.status).toBe(503);
      expect(await errorOf(response)).toMatchObject({ code: 'model_not_priced' });
    }
  });

  it('as a stream are refused by the name of the field', async () => {
    const response = await post('/images/generations', { model: 'painter', prompt: 'a', stream: true });
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ param: 'stream', code: 'unsupported_content' });
  });
});

describe('speech', () => {
  it('comes as the bytes and the type that the provider sent, held for and charged by the character', async () => {
    const body = { model: 'speaker', voice: 'alloy', input: 'né 🙂', response_format: 'wav' };
    const response = await post('/audio/speech', body);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('audio/wav');
    expect(response.headers.get('x-tensorloop-cost-usd')).toBe('0.00006');
    expect((await response.arrayBuffer()).byteLength).toBe(4 * 64);
    const { event, served } = await settled(response);
    const price = (4n * CHARACTER).toString();
    expect(event).toMatchObject({ endpoint: 'audio.speech', outcome: 'completed', estimated: false, usage: { character: 4 } });
    expect(event).toMatchObject({ holdNanoUsd: price, chargeNanoUsd: price });
    expect(served?.quantities).toEqual({ character: 4 });
  });

  it.each([
    [{ fault: 'status', status: 429 }, 429, 'upstream_error'],
    [{ fault: 'cut' }, 502, 'upstream_cut'],
  ])('whose provider fails with %j costs nothing', async (x_sim, status, outcome) => {
    const response = await post('/audio/speech', { model: 'speaker', voice: 'alloy', input: 'hello', x_sim });
    expect(response.status).toBe(status);
    const { event } = await settled(response);
    expect(event).toMatchObject({ outcome, chargeNanoUsd: '0', usage: {} });
  });

  it('is charged in full when its client leaves, however long the answer that nobody hears', async () => {
    const leave = new AbortController();
    const answer = Buffer.alloc(DRAIN_BYTES_MAX + 1_000_000);
    scripted.on('loud', (res) => {
      leave.abort();
      res.writeHead(200, { 'content-type': 'audio/wav' }).end(answer);
    });
    const body = { model: 'loud-speaker', voice: 'alloy', input: 'hello' };
    await expect(post('/audio/speech', body, { signal: leave.signal })).rejects.toThrow();
    const requestId = String(scripted.received('loud')[0]?.headers['x-request-id']);
    const event = await fixture.eventOf(requestId);
    expect(event).toMatchObject({ outcome: 'client_aborted', chargeNanoUsd: (5n * CHARACTER).toString() });
  });

  it('of a model without a price for characters is refused and never free', async () => {
    const response = await post('/audio/speech', { model: 'unpriced-speaker', voice: 'alloy', input: 'hello' });
    expect(response.status).toBe(503);
    expect(await errorOf(response)).toMatchObject({ code: 'model_not_priced' });
  });
});

describe('a transcription', () => {
  it.each(['json', 'verbose_json'])('in %s is charged by the seconds that the provider reports', async (format) => {
    const response = await transcribe('listener', { response_format: format, x_sim: sim({ audioSeconds: 2.5 }) });
    expect(response.status).toBe(200);
    expect(await response.json()).toHaveProperty('text');
    const { event, served } = await settled(response);
    expect(event).toMatchObject({
      endpoint: 'audio.transcriptions',
      model: 'listener',
      outcome: 'completed',
      estimated: false,
    });
    expect(event).toMatchObject({ usage: { audio_second: 3 }, chargeNanoUsd: (3n * SECOND).toString(), overrunNanoUsd: '0' });
    // The form reached the provider whole, with its own name of the model in it.
    expect(served).toMatchObject({ model: 'whisper-large', quantities: { audio_second: 3 } });
  });

  it('of which a verbose answer tells the length but no usage is charged for that length', async () => {
    const fields = { response_format: 'verbose_json', x_sim: sim({ audioSeconds: 2.5, fault: 'no_usage' }) };
    const { event } = await settled(await transcribe('listener', fields));
    expect(event).toMatchObject({ estimated: false, usage: { audio_second: 3 } });
  });

  it.each([
    ['text', 'text/plain; charset=utf-8'],
    ['srt', 'text/plain; charset=utf-8'],
    ['vtt', 'text/plain; charset=utf-8'],
    ['json', 'application/json'],
  ])('in %s without usage comes as it is, is estimated low and flagged', async (format, contentType) => {
    const fields = { response_format: format, x_sim: sim({ audioSeconds: 30, completionTokens: 60, fault: 'no_usage' }) };
    const response = await transcribe('listener', fields);
    expect(response.headers.get('content-type')).toBe(contentType);
    expect((await response.text()).length).toBeGreaterThan(100);
    const { event, served } = await settled(response);
    expect(event).toMatchObject({ outcome: 'completed', estimated: true });
    expect(served?.quantities).toEqual({ audio_second: 30 });
    expect(event.usage.audio_second ?? 0).toBeLessThanOrEqual(30);
    if (format === 'text' || format === 'json') expect(event.usage.audio_second).toBeGreaterThan(5);
  });

  it('of a model sold by tokens is charged by those', async () => {
    const fields = { x_sim: sim({ promptTokens: 50, completionTokens: 11 }) };
    const { event, served } = await settled(await transcribe('gpt-transcribe-test', fields));
    expect(event).toMatchObject({ estimated: false, usage: { input_audio: 50, output: 11 } });
    expect(event.chargeNanoUsd).toBe((50n * 6_000n + 11n * 10_000n).toString());
    expect(served?.quantities).toMatchObject({ input_audio: 50, output: 11 });
  });

  it('reaches a deployment of Azure under its path', async () => {
    const { event, served } = await settled(await transcribe('azure-listener', { x_sim: sim({ audioSeconds: 1 }) }));
    expect(event).toMatchObject({ outcome: 'completed', usage: { audio_second: 1 } });
    expect(served).toMatchObject({ model: 'in-sweden' });
  });

  it('that lasts longer than its size allows is charged the hold, and the rest is ours', async () => {
    const { event } = await settled(await transcribe('listener', { x_sim: sim({ audioSeconds: 80_000 }) }));
    expect(event.chargeNanoUsd).toBe(event.holdNanoUsd);
    expect(BigInt(event.chargeNanoUsd) + BigInt(event.overrunNanoUsd)).toBe(80_000n * SECOND);
  });

  it.each([
    [{ fault: 'status', status: 400 }, 400, 'upstream_error'],
    [{ fault: 'cut' }, 502, 'upstream_cut'],
  ])('whose provider fails with %j costs nothing', async (x_sim, status, outcome) => {
    const response = await transcribe('listener', { x_sim: sim(x_sim) });
    expect(response.status).toBe(status);
    const { event } = await settled(response);
    expect(event).toMatchObject({ outcome, chargeNanoUsd: '0', usage: {} });
  });

  it('of a model without a price for sound is refused and never free', async () => {
    const response = await transcribe('unpriced-listener');
    expect(response.status).toBe(503);
    expect(await errorOf(response)).toMatchObject({ code: 'model_not_priced' });
  });

  it.each([
    ['application/json', '{"model":"listener"}', { status: 415, code: 'unsupported_media_type' }],
    ['multipart/form-data', 'a form without a boundary', { status: 415, code: 'unsupported_media_type' }],
    [FORM_TYPE, 'a form that is none', { status: 400, code: 'invalid_body' }],
  ])('sent as %s with %j is refused in words', async (contentType, body, { status, code }) => {
    const headers = { authorization: `Bearer ${key.text}`, 'content-type': contentType };
    const response = await fixture.post('/audio/transcriptions', key, { headers, body });
    expect(response.status).toBe(status);
    expect(await errorOf(response)).toMatchObject({ code });
  });
});
