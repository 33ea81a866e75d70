import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import OpenAI, { BadRequestError } from 'openai';
import { SimulatorFixture } from '../../test/simulator-fixture.js';

let simulator: SimulatorFixture;
let openai: OpenAI;

beforeAll(async () => {
  simulator = await SimulatorFixture.start();
  openai = new OpenAI({ apiKey: 'unused', baseURL: `${simulator.url}/v1`, maxRetries: 0 });
});
afterAll(() => simulator.stop());

const asked = { model: 'text-embedding-3-small', input: ['a ledger', 'a budget'] };

describe('embeddings', () => {
  it('are unit vectors, the same for the same text wherever it stands', async () => {
    const first = await openai.embeddings.create(asked);
    const turned = await openai.embeddings.create({ ...asked, input: ['a budget', 'a ledger'] });
    expect(first).toMatchObject({ object: 'list', model: asked.model, usage: { prompt_tokens: 4, total_tokens: 4 } });
    expect(first.data.map(({ index }) => index)).toEqual([0, 1]);
    for (const { embedding } of first.data) {
      expect(embedding).toHaveLength(8);
      expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
    }
    expect(turned.data.map(({ embedding }) => embedding)).toEqual(first.data.map(({ embedding }) => embedding).reverse());
    expect(first.data[0]?.embedding).not.toEqual(first.data[1]?.embedding);
  });

  it('say the same in base64 as in floats, in as many dimensions as asked', async () => {
    const body = { ...asked, dimensions: 3 };
    const floats = await openai.embeddings.create({ ...body, encoding_format: 'float' });
    const raw = (await (
      await fetch(`${simulator.url}/v1/embeddings`, {
        method: 'POST',
        body: JSON.stringify({ ...body, encoding_format: 'base64' }),
      })
    ).json()) as { data: { embedding: string }[] };
    const bytes = Buffer.from(raw.data[0]?.embedding ?? '', 'base64');
    const decoded = [0, 4, 8].map((at) => bytes.readFloatLE(at));
    expect(bytes).toHaveLength(12);
    expect(floats.data[0]?.embedding).toEqual(decoded);
  });

  it('count tokens that arrive as numbers', async () => {
    const { data, usage } = await openai.embeddings.create({ model: 'm', input: [[1, 2, 3], [4]] });
    expect(data).toHaveLength(2);
    expect(usage.prompt_tokens).toBe(4);
  });

  it('are recorded with their endpoint and what they read', async () => {
    const body = { ...asked, x_sim: { promptTokens: 17, cachedTokens: 0 } };
    await openai.embeddings.create(body, { headers: { 'x-request-id': 'embedded' } });
    expect(await simulator.record('embedded')).toMatchObject({
      endpoint: 'embeddings',
      quantities: { input: 17 },
      completionTokens: 0,
      outcome: 'completed',
      usageSent: true,
    });
  });

  it.each([
    [{ input: undefined }, 'input'],
    [{ input: [] }, 'input'],
    [{ input: [{}] }, 'input'],
    [{ encoding_format: 'hex' }, 'encoding_format'],
    [{ dimensions: 0 }, 'dimensions'],
    [{ x_sim: { completionTokens: 1 } }, 'x_sim'],
  ])('with %j are refused by the name of the field', async (wrong, param) => {
    const failure = await openai.embeddings.create({ ...asked, ...wrong } as typeof asked).catch((err: unknown) => err);
    expect(failure).toBeInstanceOf(BadRequestError);
    expect(failure).toMatchObject({ param });
  });

  it('break off, fail and leave usage out as told', async () => {
    const post = (sim: object) =>
      fetch(`${simulator.url}/v1/embeddings`, { method: 'POST', body: JSON.stringify({ ...asked, x_sim: sim }) });
    expect((await post({ fault: 'status', status: 503 })).status).toBe(503);
    expect(await (await post({ fault: 'no_usage' })).json()).not.toHaveProperty('usage');
    await expect(post({ fault: 'cut' }).then((response) => response.text())).rejects.toThrow();
  });
});
