import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import OpenAI, { BadRequestError, toFile } from 'openai';
import { SimulatorFixture } from '../../test/simulator-fixture.js';

let simulator: SimulatorFixture;
let openai: OpenAI;

beforeAll(async () => {
  simulator = await SimulatorFixture.start();
  openai = new OpenAI({ apiKey: 'unused', baseURL: `${simulator.url}/v1`, maxRetries: 0 });
});
afterAll(() => simulator.stop());

describe('speech', () => {
  it('is bytes, billed by the character and not by the byte', async () => {
    const body = { model: 'tts-1', voice: 'alloy', input: 'né 🙂' };
    const answer = await openai.audio.speech.create(body, { headers: { 'x-request-id': 'spoken' } });
    expect(answer.headers.get('content-type')).toBe('audio/mpeg');
    expect((await answer.arrayBuffer()).byteLength).toBeGreaterThan(0);
    const record = await simulator.record('spoken');
    expect(record.endpoint).toBe('audio.speech');
    expect(record.quantities).toEqual({ character: 4 });
  });

  it('that breaks off is recorded so', async () => {
    const body = { model: 'tts-1', voice: 'alloy', input: 'hello', x_sim: { fault: 'cut' } };
    const response = await simulator.post('/v1/audio/speech', body, { 'x-request-id': 'cut' });
    await expect(response.arrayBuffer()).rejects.toThrow();
    expect(await simulator.record('cut')).toMatchObject({ outcome: 'cut' });
  });

  it.each([[{ input: '' }], [{ voice: undefined }], [{ response_format: 'ogg' }]])('with %j is refused', async (wrong) => {
    const body = { model: 'tts-1', voice: 'alloy', input: 'hello', ...wrong };
    expect((await simulator.post('/v1/audio/speech', body)).status).toBe(400);
  });
});

describe('a transcription', () => {
  const file = () => toFile(Buffer.alloc(24_000), 'speech.mp3');
  /** x_sim is no field that the SDK's types know. */
  const asked = async (fields: object) =>
    ({ file: await file(), model: 'whisper-1', ...fields }) as { file: File; model: string; response_format: 'verbose_json' };

  it('lasts as long as the file is large, in begun seconds', async () => {
    const body = await asked({ response_format: 'verbose_json' });
    const heard = await openai.audio.transcriptions.create(body, { headers: { 'x-request-id': 'heard' } });
    expect(heard).toMatchObject({ duration: 1.5, usage: { type: 'duration', seconds: 2 } });
    expect(heard.segments?.[0]?.text).toBe(heard.text);
    const record = await simulator.record('heard');
    expect(record).toMatchObject({ endpoint: 'audio.transcriptions', usageSent: true });
    expect(record.quantities).toEqual({ audio_second: 2 });
  });

  it('lasts as long as told in the form or in a header', async () => {
    const told = await openai.audio.transcriptions.create(await asked({ x_sim: JSON.stringify({ audioSeconds: 61.2 }) }));
    expect(told.usage).toMatchObject({ seconds: 62 });
    const headers = { 'x-sim': JSON.stringify({ audioSeconds: 7 }) };
    expect((await openai.audio.transcriptions.create(await asked({}), { headers })).usage).toMatchObject({ seconds: 7 });
  });

  it('of a model that reports tokens is counted in them', async () => {
    const x_sim = JSON.stringify({ promptTokens: 50, completionTokens: 11 });
    const body = await asked({ model: 'gpt-4o-transcribe', x_sim });
    const { usage } = await openai.audio.transcriptions.create(body, { headers: { 'x-request-id': 'tokens' } });
    expect(usage).toMatchObject({ type: 'tokens', input_tokens: 50, output_tokens: 11 });
    expect((await simulator.record('tokens')).quantities).toEqual({ input_audio: 50, output: 11, audio_second: 2 });
  });

  it('as text has no usage', async () => {
    const body = await asked({ response_format: 'text' });
    expect(typeof (await openai.audio.transcriptions.create(body, { headers: { 'x-request-id': 'text' } }))).toBe('string');
    expect((await simulator.record('text')).usageSent).toBe(false);
  });

  it.each([
    ['srt', '1\n00:00:00,000 --> 00:00:01,500\n'],
    ['vtt', 'WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n'],
  ])('as %s is one subtitle of the whole file, and of no more words than it has time for', async (format, start) => {
    const text = String(await openai.audio.transcriptions.create(await asked({ response_format: format })));
    expect(text.startsWith(start)).toBe(true);
    expect(text.slice(start.length).trim().split(' ')).toHaveLength(3);
  });

  it('without a file, or with instructions that are none, is refused', async () => {
    expect((await simulator.post('/v1/audio/transcriptions', {})).status).toBe(400);
    const failure = await openai.audio.transcriptions.create(await asked({ x_sim: '{' })).catch((err: unknown) => err);
    expect(failure).toBeInstanceOf(BadRequestError);
  });
});
