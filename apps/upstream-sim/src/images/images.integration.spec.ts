import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import OpenAI from 'openai';
import { SimulatorFixture } from '../../test/simulator-fixture.js';

let simulator: SimulatorFixture;
let openai: OpenAI;

beforeAll(async () => {
  simulator = await SimulatorFixture.start();
  openai = new OpenAI({ apiKey: 'unused', baseURL: `${simulator.url}/v1`, maxRetries: 0 });
});
afterAll(() => simulator.stop());

const PNG_SIGNATURE = '89504e470d0a1a0a';

describe('pictures', () => {
  it('are as many PNG files as asked for, billed by the picture', async () => {
    const body = { model: 'dall-e-3', prompt: 'a ledger', n: 2 };
    const { data, usage } = await openai.images.generate(body, { headers: { 'x-request-id': 'drawn' } });
    expect(data).toHaveLength(2);
    expect(Buffer.from(data?.[0]?.b64_json ?? '', 'base64').toString('hex')).toMatch(new RegExp(`^${PNG_SIGNATURE}`));
    expect(usage).toBeUndefined();
    const record = await simulator.record('drawn');
    expect(record).toMatchObject({ endpoint: 'images.generations', usageSent: false });
    expect(record.quantities).toEqual({ image: 2 });
  });

  it.each([
    [{ size: '512x512' }, { image: 1 }],
    [{ size: '1792x1024', quality: 'standard' }, { image_large: 1 }],
    [{ quality: 'hd' }, { image_hd: 1 }],
    [{ size: 'auto', quality: 'auto' }, { image_hd_large: 1 }],
  ] as const)('asked for with %j are billed as %j', async (asked, quantities) => {
    const id = `kind-${JSON.stringify(quantities)}`;
    await simulator.post('/v1/images/generations', { model: 'dall-e-3', prompt: 'a', ...asked }, { 'x-request-id': id });
    expect((await simulator.record(id)).quantities).toEqual(quantities);
  });

  it('of models that report tokens come with them', async () => {
    const body = { model: 'gpt-image-1', prompt: 'a ledger', n: 2, x_sim: { promptTokens: 9, completionTokens: 100 } };
    const { usage } = await openai.images.generate(body, { headers: { 'x-request-id': 'counted' } });
    expect(usage).toMatchObject({ input_tokens: 9, output_tokens: 200, total_tokens: 209 });
    expect((await simulator.record('counted')).quantities).toEqual({ input: 9, output_image: 200, image: 2 });
  });

  it.each([[{ prompt: undefined }], [{ n: 11 }], [{ stream: true }]])('with %j are refused', async (wrong) => {
    const body = { model: 'dall-e-3', prompt: 'a ledger', ...wrong };
    expect((await simulator.post('/v1/images/generations', body)).status).toBe(400);
  });
});
