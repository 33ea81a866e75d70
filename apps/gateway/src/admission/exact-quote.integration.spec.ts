import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dayScope } from '@tensorloop/contracts/settle-ack';
import { DAY_MS, utcDay } from '@tensorloop/kernel/budget-window';
import { inputTokensMax } from '@tensorloop/pricing/hold';
import fc from 'fast-check';
import { GatewayFixture } from '../../test/gateway-fixture.js';
import { countTokens } from '../../test/o200k.js';
import { testModel } from '../../test/test-models.js';
import { countPlainTexts } from '../usage/plain-texts.js';
import { countedShape } from './exact-quote.service.js';

const COUNTED = 'counted';
/** 12,000 bytes are 12,000 tokens at worst and 3,000 by the count: 1,800,000 or some 470,000 nano-USD. */
const PROMPT = 'hello world '.repeat(1_000);
const BETWEEN_NANO_USD = '900000';

let fixture: GatewayFixture;
beforeAll(async () => {
  fixture = await GatewayFixture.start({
    models: (url) => [
      testModel(COUNTED, url, { tokenizer: 'o200k_base', deployment: { upstreamModel: 'gpt-4o-mini' }, imageTokensMax: 1_000 }),
      testModel('uncounted', url),
    ],
  });
});
afterAll(() => fixture?.stop());

function ask(content: unknown, model = COUNTED, limits: object = { budgetNanoUsd: BETWEEN_NANO_USD }) {
  const call = async () => {
    const key = await fixture.addKey({ models: ['*'], ...limits });
    for (const ms of [Date.now(), Date.now() + DAY_MS]) await fixture.seedTotal(key, dayScope(utcDay(ms)));
    const response = await fixture.chat(key, { model, messages: [{ role: 'user', content }], max_tokens: 100 });
    return { key, response, body: (await response.json()) as { usage?: { prompt_tokens: number }; error?: { code: string } } };
  };
  return call();
}

describe('close to a limit', () => {
  it('a prompt is counted where its model’s tokenizer is known, and the call is made', async () => {
    const { response, body } = await ask(PROMPT);
    expect(response.status).toBe(200);
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(BigInt(event.holdNanoUsd)).toBeLessThanOrEqual(BigInt(BETWEEN_NANO_USD));
    expect(event.usage.input).toBe(body.usage?.prompt_tokens);
    expect(event).toMatchObject({ overrunNanoUsd: '0', estimated: false });
  });

  it('of the day the same is done', async () => {
    const { response } = await ask(PROMPT, COUNTED, { dailyLimitNanoUsd: BETWEEN_NANO_USD });
    expect(response.status).toBe(200);
  });

  it('far from any limit nothing is counted', async () => {
    const { response } = await ask(PROMPT, COUNTED, {});
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(BigInt(event.holdNanoUsd)).toBeGreaterThan(1_800_000n);
  });

  it.each([
    ['whose tokenizer is not known', PROMPT, 'uncounted'],
    [
      'with an image',
      [
        { type: 'text', text: PROMPT },
        { type: 'image_url', image_url: { url: 'http://x' } },
      ],
      COUNTED,
    ],
    ['with a part of an unknown kind', [{ type: 'text', text: PROMPT }, { type: 'hologram' }], COUNTED],
    ['that is too long even by the count', PROMPT.repeat(4), COUNTED],
  ])('a call %s is refused as before', async (_, content, model) => {
    const { response, body } = await ask(content, model);
    expect(response.status).toBe(429);
    expect(body.error?.code).toBe('insufficient_quota');
  });

  it('the bound is never below what the provider counts, whatever the prompt says', async () => {
    const word = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.lorem({ maxCount: 20 }),
      fc.constantFrom('<|endoftext|>', 'internationalization', '請問這個多少錢', '👩‍👩‍👧'),
    );
    const text = fc.array(word, { minLength: 1, maxLength: 6 }).map((words) => words.join(' '));
    const parts = fc
      .array(text, { minLength: 1, maxLength: 3 })
      .map((texts) => texts.map((one) => ({ type: 'text', text: one })));
    const messages = fc.array(fc.record({ role: fc.constantFrom('user', 'system'), content: fc.oneof(text, parts) }), {
      minLength: 1,
      maxLength: 4,
    });
    const tool = {
      type: 'function',
      function: { name: 'look', parameters: { type: 'object', properties: { q: { type: 'string' } } } },
    };
    const model = testModel(COUNTED, fixture.upstreamUrl);
    await fc.assert(
      fc.asyncProperty(messages, fc.boolean(), async (spoken, hasTools) => {
        const sent = JSON.stringify({
          model: 'gpt-4o-mini',
          messages: spoken,
          ...(hasTools ? { tools: [tool] } : {}),
          x_sim: { completionTokens: 1 },
        });
        const answer = await fetch(`${fixture.upstreamUrl}/v1/chat/completions`, { method: 'POST', body: sent });
        const { usage } = (await answer.json()) as { usage: { prompt_tokens: number } };
        const shape = { promptBytes: Buffer.byteLength(sent), messages: spoken.length };
        return (
          usage.prompt_tokens <= (inputTokensMax(model, countedShape(shape, countPlainTexts(sent, countTokens))) as number)
        );
      }),
      { numRuns: 150 },
    );
  });
});
