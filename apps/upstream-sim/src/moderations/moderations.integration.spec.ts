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

describe('a moderation', () => {
  it('flags one word in the text it is in, in all categories of the SDK', async () => {
    const body = { model: 'omni-moderation-latest', input: ['kind words', 'words of violence'] };
    const moderation = await openai.moderations.create(body, { headers: { 'x-request-id': 'moderated' } });
    expect(moderation.results.map(({ flagged }) => flagged)).toEqual([false, true]);
    expect(moderation.results[1]).toMatchObject({ categories: { violence: true, hate: false } });
    expect(Object.keys(moderation.results[0]?.category_scores ?? {})).toHaveLength(13);
    expect(await simulator.record('moderated')).toMatchObject({
      endpoint: 'moderations',
      quantities: { input: 7 },
      usageSent: false,
    });
  });

  it('takes parts as one input', async () => {
    const input = [{ type: 'text' as const, text: 'a' }];
    expect((await openai.moderations.create({ model: 'm', input })).results).toHaveLength(1);
    expect((await simulator.post('/v1/moderations', { model: 'm', input: 3 })).status).toBe(400);
  });
});
