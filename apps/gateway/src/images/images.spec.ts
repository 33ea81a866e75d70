import { describe, expect, it } from '@jest/globals';
import { chargeUsage } from '@tensorloop/pricing/charge';
import { worstCaseHold } from '@tensorloop/pricing/hold';
import fc from 'fast-check';
import { testModel, testPrice } from '../../test/test-models.js';
import { isApiError } from '../errors/api-error.types.js';
import { images } from './images.service.js';
import { IMAGES_MAX, PRICED_FIELDS } from './images-request.js';

const valid = { model: 'm', prompt: 'a ledger' };

function read(body: unknown) {
  return images.read(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), {});
}

function readOk(body: object) {
  const request = read(body);
  if (isApiError(request)) throw new Error(request.body.error.message);
  return request;
}

describe('a request for images', () => {
  it.each<[string, unknown, string | null]>([
    ['no JSON', 'x', null],
    ['no model', { ...valid, model: undefined }, 'model'],
    ['no prompt', { ...valid, prompt: undefined }, 'prompt'],
    ['a prompt of a wrong kind', { ...valid, prompt: ['a'] }, 'prompt'],
    ['n 0', { ...valid, n: 0 }, 'n'],
    ['too many', { ...valid, n: IMAGES_MAX + 1 }, 'n'],
    ['a size of a wrong kind', { ...valid, size: 1024 }, 'size'],
    ['a quality of a wrong kind', { ...valid, quality: true }, 'quality'],
    ['a stream', { ...valid, stream: true }, 'stream'],
    ['a stream of a wrong kind', { ...valid, stream: 'yes' }, 'stream'],
    ['frames', { ...valid, output_format: 'gif' }, 'output_format'],
    ['planning', { ...valid, complexity: 'high' }, 'complexity'],
  ])('with %s is refused with 400 and the parameter named', (_name, body, param) => {
    const error = read(body);
    if (!isApiError(error)) throw new Error('it was accepted');
    expect(error).toMatchObject({ status: 400, body: { error: { param } } });
  });

  it.each(PRICED_FIELDS)('with "%s", which bears on the price elsewhere, is refused by name', (param) => {
    expect(read({ ...valid, [param]: 2_048 })).toMatchObject({
      status: 400,
      body: { error: { param, code: 'unsupported_content' } },
    });
    expect(readOk({ ...valid, [param]: null }).shape.units).toEqual({ image: 1 });
  });

  it('names every field by which it is known how many pictures are made, and how large', () => {
    const known = 'width height resolution image_size aspect_ratio megapixels num_images batch_size steps';
    expect(PRICED_FIELDS).toEqual(expect.arrayContaining(known.split(' ')));
  });

  it.each([
    [{}, { image: 1 }],
    [{ n: 3, size: '1024x1024', quality: 'standard' }, { image: 3 }],
    [{ size: '256x256', quality: 'low' }, { image: 1 }],
    [{ size: '1792x1024' }, { image_large: 1 }],
    [{ size: '1024x1536', quality: 'medium' }, { image_large: 1 }],
    [{ quality: 'hd' }, { image_hd: 1 }],
    [{ quality: 'hd', size: '1024x1792' }, { image_hd_large: 1 }],
    [{ quality: 'auto', size: 'auto' }, { image_hd_large: 1 }],
    [{ size: '1024x1024x1024' }, { image_large: 1 }],
  ])('with %j is held for as %j', (change, units) => {
    expect(readOk({ ...valid, ...change }).shape.units).toEqual(units);
  });

  it('is charged for what was delivered, as what was asked for', () => {
    const { reading } = readOk({ ...valid, n: 4, quality: 'hd' });
    const read = reading.readWhole(Buffer.from('{"created":1,"data":[{"url":"a"},{"url":"b"}]}'), 'application/json');
    expect(reading.normalise(read?.usage ?? {}, new Set(['image', 'image_hd']))).toEqual({ usage: { image_hd: 2 } });
  });

  it('is not told how many there are by what calls itself usage', () => {
    const { reading } = readOk({ ...valid, n: 4 });
    const read = reading.readWhole(Buffer.from('{"data":[{}],"usage":{"pictures":0}}'), 'application/json');
    expect(reading.normalise(read?.usage ?? {}, new Set(['image']))).toEqual({ usage: { image: 1 } });
  });

  it.each(['<html>', '{}', '{"data":{}}', 'null'])('takes the answer %s as broken', (answer) => {
    expect(readOk(valid).reading.readWhole(Buffer.from(answer), 'application/json')).toBeNull();
  });

  it('is never charged more than its hold, by the piece or by tokens', () => {
    const limits = testModel('m', 'http://upstream.test', { maxOutputTokens: 6_240 });
    const byPiece = { image: '40000', image_large: '80000', image_hd: '80000', image_hd_large: '120000' };
    const byToken = { input: '2', input_image: '2.5', output_image: '8' };
    fc.assert(
      fc.property(
        fc.tuple(fc.integer({ min: 1, max: IMAGES_MAX }), fc.constantFrom('1024x1024', '1792x1024', 'auto')),
        fc.constantFrom(byPiece, byToken, { ...byPiece, ...byToken }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        ([n, size], rates, share) => {
          const version = { ...testPrice('m'), rates };
          const { shape, reading } = readOk({ ...valid, n, size });
          const hold = worstCaseHold({ version, limits, shape }, limits.maxOutputTokens);
          const read = Math.floor(Buffer.byteLength(valid.prompt) * share);
          const usage = { input_tokens: read, output_tokens: Math.floor(n * 6_240 * share), pictures: n };
          const normalised = reading.normalise(usage, new Set(Object.keys(rates) as never[]));
          const charge = 'usage' in normalised ? chargeUsage(version, normalised.usage) : { missing: [] };
          expect(hold !== null && 'totalNanoUsd' in charge && charge.totalNanoUsd <= hold.totalNanoUsd).toBe(true);
        },
      ),
    );
  });
});
