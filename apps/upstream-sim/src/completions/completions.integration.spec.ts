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

const asked = { model: 'davinci-002', prompt: 'Once upon a time', max_tokens: 20, x_sim: { completionTokens: 50 } };

describe('a completion', () => {
  it("is what OpenAI's SDK reads, 16 tokens long unless more is asked for", async () => {
    const completion = await openai.completions.create(asked);
    expect(completion).toMatchObject({ object: 'text_completion', choices: [{ index: 0, finish_reason: 'length' }] });
    expect(completion.usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 20, total_tokens: 24 });
    const { max_tokens: _, ...unlimited } = asked;
    expect((await openai.completions.create(unlimited)).usage?.completion_tokens).toBe(16);
  });

  it('counts everything it made, also what it does not show (best_of)', async () => {
    const body = { ...asked, n: 2, best_of: 3 };
    const completion = await openai.completions.create(body, { headers: { 'x-request-id': 'best' } });
    expect(completion.choices).toHaveLength(2);
    expect(completion.usage?.completion_tokens).toBe(60);
    expect(await simulator.record('best')).toMatchObject({ endpoint: 'completions', quantities: { input: 4, output: 60 } });
  });

  it('streams the same text, and usage when asked', async () => {
    const whole = await openai.completions.create(asked);
    const stream = await openai.completions.create({ ...asked, stream: true, stream_options: { include_usage: true } });
    let text = '';
    let usage: unknown;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.text ?? '';
      usage = chunk.usage;
    }
    expect(text).toBe(whole.choices[0]?.text);
    expect(usage).toEqual(whole.usage);
  });

  it.each([[{ n: 3, best_of: 2 }], [{ prompt: [] }], [{ prompt: {} }]])('with %j is refused', async (wrong) => {
    expect((await simulator.post('/v1/completions', { ...asked, ...wrong })).status).toBe(400);
  });
});
