import { describe, expect, it } from '@jest/globals';
import type { Deployment } from '@tensorloop/contracts/model-catalogue';
import { chargeUsage } from '@tensorloop/pricing/charge';
import { worstCaseHold } from '@tensorloop/pricing/hold';
import fc from 'fast-check';
import { testModel, testPrice } from '../../test/test-models.js';
import { isApiError } from '../errors/api-error.types.js';
import { completions } from './completions.service.js';

const model = 'm';
const prompt = 'hi';

function read(body: unknown) {
  return completions.read(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), {});
}

function readOk(body: object) {
  const request = read({ model, prompt, ...body });
  if (isApiError(request)) throw new Error(request.body.error.message);
  return request;
}

describe('a completions request', () => {
  it.each<[string, unknown, string | null]>([
    ['no JSON', '"', null],
    ['no model', { prompt }, 'model'],
    ['no prompt', { model }, 'prompt'],
    ['a prompt of a wrong kind', { model, prompt: {} }, 'prompt'],
    ['no prompt among prompts', { model, prompt: [] }, 'prompt'],
    ['a prompt that is none', { model, prompt: ['a', null] }, 'prompt[1]'],
    ['a negative limit', { model, prompt, max_tokens: -1 }, 'max_tokens'],
    ['n 0', { model, prompt, n: 0 }, 'n'],
    ['n above the bound', { model, prompt, n: 129 }, 'n'],
    ['best_of above the bound', { model, prompt, best_of: 129 }, 'best_of'],
    ['stream as text', { model, prompt, stream: 'yes' }, 'stream'],
    ['stream_options without stream', { model, prompt, stream_options: {} }, 'stream_options'],
    ['a dearer tier', { model, prompt, service_tier: 'fast' }, 'service_tier'],
  ])('with %s is refused with 400 and the parameter named', (_name, body, param) => {
    const error = read(body);
    if (!isApiError(error)) throw new Error('it was accepted');
    expect(error).toMatchObject({ status: 400, body: { error: { param } } });
  });

  it('holds for every completion that is generated', () => {
    expect(readOk({ n: 2, best_of: 5 }).shape.choices).toBe(5);
    expect(readOk({ prompt: ['a', 'b', 'c'], n: 2 }).shape).toMatchObject({ choices: 6, inputs: 3 });
    expect(readOk({ prompt: [[1, 2], [3]] }).shape).toMatchObject({ choices: 2, tokens: 3 });
    expect(readOk({ max_tokens: 0 }).maxTokens).toBe(0);
    expect(readOk({}).maxTokens).toBeNull();
  });

  it('asks for the usage of a stream, carries the clamp, and is else the same bytes', () => {
    const [deployment] = testModel('m', 'http://upstream.test').deployments as [Deployment];
    const streamed = readOk({ stream: true }).bodyFor(deployment, 40).toString();
    expect(JSON.parse(streamed)).toEqual({
      model,
      prompt,
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 40,
    });
    const body = Buffer.from('{"model":"m","prompt":"hi","seed":12345678901234567890}');
    const request = completions.read(body, {});
    expect(isApiError(request) ? null : request.bodyFor(deployment, null)).toBe(body);
  });

  it('is never charged more than its hold while the provider keeps to the limits', () => {
    const limits = testModel('m', 'http://upstream.test', { contextTokens: 60, overheadTokens: 1 });
    const version = testPrice('m');
    const calls = fc.record({
      prompts: fc.array(fc.string({ unit: 'binary', maxLength: 80 }), { minLength: 1, maxLength: 4 }),
      limit: fc.nat(300),
      n: fc.integer({ min: 1, max: 4 }),
      bestOf: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(calls, ({ prompts, limit, n, bestOf }) => {
        const { shape, maxTokens } = readOk({ prompt: prompts, max_tokens: limit, n, best_of: bestOf });
        const hold = worstCaseHold({ version, limits, shape }, maxTokens as number);
        const input = prompts.reduce((sum, text) => sum + Math.min(60, Buffer.byteLength(text) + 1), 0);
        const charge = chargeUsage(version, { input, output: prompts.length * Math.max(n, bestOf) * limit });
        expect(hold !== null && 'totalNanoUsd' in charge && charge.totalNanoUsd <= hold.totalNanoUsd).toBe(true);
      }),
    );
  });
});
