import { describe, expect, it } from '@jest/globals';
import { isApiError } from '../errors/api-error.types.js';
import { moderations } from './moderations.service.js';

function read(body: unknown) {
  return moderations.read(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), {});
}

describe('a moderations request', () => {
  it.each<[string, unknown, string | null]>([
    ['no JSON', 'nope', null],
    ['a model that is no text', { model: 4, input: 'a' }, 'model'],
    ['no input', { model: 'm' }, 'input'],
    ['input of a wrong kind', { model: 'm', input: { text: 'a' } }, 'input'],
    ['an empty list', { model: 'm', input: [] }, 'input'],
    ['a part nobody knows', { model: 'm', input: ['a', { type: 'video' }] }, 'input[1]'],
  ])('with %s is refused with 400 and the parameter named', (_name, body, param) => {
    const error = read(body);
    if (!isApiError(error)) throw new Error('it was accepted');
    expect(error).toMatchObject({ status: 400, body: { error: { param } } });
  });

  it('takes texts and images, and names the usual model when the client names none', () => {
    const input = ['a', { type: 'text', text: 'b' }, { type: 'image_url', image_url: { url: 'https://example.test/a.png' } }];
    expect(read({ input })).toMatchObject({ model: 'omni-moderation-latest', maxTokens: 0, shape: { inputs: 3, images: 1 } });
    expect(read({ model: 'm', input: 'a' })).toMatchObject({ model: 'm', shape: { inputs: 1, images: 0 } });
  });
});
