import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AzureOpenAI } from 'openai';
import { SimulatorFixture } from '../../test/simulator-fixture.js';

let simulator: SimulatorFixture;
beforeAll(async () => {
  simulator = await SimulatorFixture.start();
});
afterAll(() => simulator.stop());

const PATH = '/openai/deployments/our-gpt/chat/completions';
const hello = { messages: [{ role: 'user' as const, content: 'Hello' }] };

describe("Azure's form of the paths", () => {
  it("is what the SDK's Azure client speaks", async () => {
    const azure = new AzureOpenAI({ endpoint: simulator.url, apiKey: 'k', apiVersion: '2024-10-21', maxRetries: 0 });
    const headers = { 'x-request-id': 'azure' };
    expect(await azure.chat.completions.create({ ...hello, model: 'our-gpt' }, { headers })).toMatchObject({
      model: 'our-gpt',
    });
    expect(await simulator.record('azure')).toMatchObject({ endpoint: 'chat.completions', model: 'our-gpt' });
    expect((await azure.embeddings.create({ model: 'our-embedder', input: 'x' })).data).toHaveLength(1);
  });

  it('names the model where the body does not', async () => {
    const response = await simulator.post(`${PATH}?api-version=2024-10-21`, hello, { 'api-key': 'k' });
    expect(await response.json()).toMatchObject({ model: 'our-gpt' });
  });

  it('wants a key and a version', async () => {
    const keyless = await simulator.post(`${PATH}?api-version=2024-10-21`, hello);
    expect(keyless.status).toBe(401);
    expect(await keyless.json()).toMatchObject({ error: { code: '401' } });
    expect((await simulator.post(PATH, hello, { 'api-key': 'k' })).status).toBe(404);
    expect((await simulator.post('/openai/deployments/our-gpt/nothing', hello, { 'api-key': 'k' })).status).toBe(404);
  });
});
