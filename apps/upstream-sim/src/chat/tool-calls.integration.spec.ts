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

const ARGUMENTS = { city: 'Zürich', days: 3 };
const asked = {
  model: 'gpt-4o',
  messages: [{ role: 'user' as const, content: 'What will the weather be?' }],
  tools: [{ type: 'function' as const, function: { name: 'forecast', parameters: {} } }],
  x_sim: { completionTokens: 9, toolCall: { name: 'forecast', arguments: ARGUMENTS } },
};

describe('a call of a tool', () => {
  it('comes instead of text', async () => {
    const { choices, usage } = await openai.chat.completions.create(asked);
    expect(choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } });
    const toolCall = choices[0]?.message.tool_calls?.[0];
    expect(toolCall).toMatchObject({ type: 'function', function: { name: 'forecast' } });
    expect(JSON.parse(toolCall?.type === 'function' ? toolCall.function.arguments : '')).toEqual(ARGUMENTS);
    expect(usage?.completion_tokens).toBe(9);
  });

  it("streams in parts that the SDK's helper puts together", async () => {
    const stream = openai.chat.completions.stream(asked);
    let parts = 0;
    for await (const chunk of stream) if (chunk.choices[0]?.delta.tool_calls) parts++;
    const { choices } = await stream.finalChatCompletion();
    expect(parts).toBe(1 + 9);
    expect(choices[0]?.finish_reason).toBe('tool_calls');
    const toolCall = choices[0]?.message.tool_calls?.[0];
    expect(JSON.parse(toolCall?.type === 'function' ? toolCall.function.arguments : '')).toEqual(ARGUMENTS);
  });

  it('of a tool that was not offered is refused', async () => {
    const failure = await openai.chat.completions.create({ ...asked, tools: [] }).catch((err: unknown) => err);
    expect(failure).toBeInstanceOf(BadRequestError);
  });
});
