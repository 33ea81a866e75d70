import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SimulatorFixture } from '../../test/simulator-fixture.js';

let simulator: SimulatorFixture;
beforeAll(async () => {
  simulator = await SimulatorFixture.start();
});
afterAll(() => simulator.stop());

const asked = { model: 'rerank-v3.5', query: 'who pays?', documents: ['the customer', 'nobody', { text: 'the platform' }] };

interface Reranked {
  results: { index: number; relevance_score: number; document?: { text: string } }[];
  usage: { total_tokens: number };
  meta: { billed_units: { search_units: number } };
}

async function rerank(body: object): Promise<Reranked> {
  const response = await simulator.post('/v1/rerank', { ...asked, ...body });
  expect(response.status).toBe(200);
  return (await response.json()) as Reranked;
}

describe('rerank', () => {
  it('orders all documents by a score between 0 and 1, the same at every time', async () => {
    const { results } = await rerank({});
    const scores = results.map((result) => result.relevance_score);
    expect(results.map(({ index }) => index).sort()).toEqual([0, 1, 2]);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect(scores.every((score) => score >= 0 && score <= 1)).toBe(true);
    expect((await rerank({})).results).toEqual(results);
  });

  it('gives the best ones only, with their text, if asked', async () => {
    const { results } = await rerank({ top_n: 1, return_documents: true });
    expect(results).toHaveLength(1);
    const texts = ['the customer', 'nobody', 'the platform'];
    expect(results[0]?.document?.text).toBe(texts[results[0]?.index ?? -1]);
  });

  it("reports what was used in Jina's and in Cohere's words, and records it", async () => {
    const documents = Array.from({ length: 101 }, (_, index) => `document ${index}`);
    const body = { ...asked, documents, x_sim: { promptTokens: 640 } };
    const response = await simulator.post('/v1/rerank', body, { 'x-request-id': 'reranked' });
    expect(await response.json()).toMatchObject({
      usage: { total_tokens: 640 },
      meta: { billed_units: { search_units: 2 } },
    });
    expect(await simulator.record('reranked')).toMatchObject({ endpoint: 'rerank', quantities: { input: 640 } });
  });

  it.each([
    [{ query: undefined }, 'query'],
    [{ documents: [] }, 'documents'],
    [{ documents: [1] }, 'documents'],
    [{ top_n: 0 }, 'top_n'],
  ])('with %j is refused by the name of the field', async (wrong, param) => {
    const response = await simulator.post('/v1/rerank', { ...asked, ...wrong });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error', param } });
  });
});
