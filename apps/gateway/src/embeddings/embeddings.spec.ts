import { describe, expect, it } from '@jest/globals';
import type { Deployment } from '@tensorloop/contracts/model-catalogue';
import { chargeUsage } from '@tensorloop/pricing/charge';
import { worstCaseHold } from '@tensorloop/pricing/hold';
import { normaliseInputUsage } from '@tensorloop/pricing/input-usage';
import fc from 'fast-check';
import { testModel, testPrice } from '../../test/test-models.js';
import { TEXTS_MAX } from '../body/texts.types.js';
import { isApiError } from '../errors/api-error.types.js';
import { embeddings } from './embeddings.service.js';

function read(body: unknown) {
  return embeddings.read(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), {});
}

function readOk(body: object) {
  const request = read(body);
  if (isApiError(request)) throw new Error(request.body.error.message);
  return request;
}

describe('an embeddings request', () => {
  it.each<[string, unknown, string | null]>([
    ['no JSON', '{', null],
    ['no model', { input: 'a' }, 'model'],
    ['no input', { model: 'm' }, 'input'],
    ['messages in place of input', { model: 'm', messages: [] }, 'input'],
    ['null as input', { model: 'm', input: null }, 'input'],
    ['a number as input', { model: 'm', input: 4 }, 'input'],
    ['no text at all', { model: 'm', input: [] }, 'input'],
    ['too many texts', { model: 'm', input: Array(TEXTS_MAX + 1).fill('a') }, 'input'],
    ['a text that is none', { model: 'm', input: ['a', {}] }, 'input[1]'],
    ['an empty list of tokens', { model: 'm', input: [[1], []] }, 'input[1]'],
    ['negative tokens', { model: 'm', input: [[1], [-1]] }, 'input[1]'],
  ])('with %s is refused with 400 and the parameter named', (_name, body, param) => {
    const error = read(body);
    if (!isApiError(error)) throw new Error('it was accepted');
    expect(error).toMatchObject({ status: 400, body: { error: { param } } });
  });

  it.each([
    ['a text', 'a', { inputs: 1, tokens: 0 }],
    ['texts', ['a', 'b'], { inputs: 2, tokens: 0 }],
    ['tokens', [1, 2, 3], { inputs: 1, tokens: 3 }],
    ['lists of tokens', [[1, 2], [3]], { inputs: 2, tokens: 3 }],
  ])('takes %s', (_name, input, shape) => {
    expect(readOk({ model: 'm', input })).toMatchObject({ maxTokens: 0, stream: false, shape });
  });

  it('goes upstream byte for byte when the model is called the same there', () => {
    const body = Buffer.from('{ "input":"a", "model":"m", "dimensions":256, "unknown":1.0 }');
    const request = embeddings.read(body, {});
    if (isApiError(request)) throw new Error('refused');
    const [deployment] = testModel('m', 'http://upstream.test').deployments as [Deployment];
    expect(request.bodyFor(deployment, null)).toBe(body);
    const renamed = request.bodyFor({ ...deployment, upstreamModel: 'other' }, null).toString();
    expect(renamed).toBe('{ "input":"a", "model":"other", "dimensions":256, "unknown":1.0 }');
  });

  it('is never charged more than its hold, whatever the texts (one token a byte at most, and each within the window)', () => {
    const model = testModel('m', 'http://upstream.test', { contextTokens: 40, overheadTokens: 2 });
    const version = testPrice('m');
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 6 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (input, share) => {
          const request = readOk({ model: 'm', input });
          const hold = worstCaseHold({ version, limits: model, shape: request.shape }, 0);
          const most = input.reduce((sum, text) => sum + Math.min(40, Buffer.byteLength(text) + 2), 0);
          const raw = { prompt_tokens: Math.round(most * share), total_tokens: Math.round(most * share) };
          const normalised = normaliseInputUsage(raw);
          const charge = 'usage' in normalised ? chargeUsage(version, normalised.usage) : { missing: [] };
          expect(hold !== null && 'totalNanoUsd' in charge && charge.totalNanoUsd <= hold.totalNanoUsd).toBe(true);
        },
      ),
    );
  });
});
