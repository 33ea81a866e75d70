import { describe, expect, it } from '@jest/globals';
import { chargeUsage } from '@tensorloop/pricing/charge';
import { worstCaseHold } from '@tensorloop/pricing/hold';
import fc from 'fast-check';
import { testModel, testPrice } from '../../test/test-models.js';
import { isApiError } from '../errors/api-error.types.js';
import { speech } from './speech.service.js';

const valid = { model: 'm', voice: 'alloy', input: 'hello' };

function read(body: unknown) {
  return speech.read(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), {});
}

function readOk(body: object) {
  const request = read(body);
  if (isApiError(request)) throw new Error(request.body.error.message);
  return request;
}

describe('a speech request', () => {
  it.each<[string, unknown, string | null]>([
    ['no JSON', 'x', null],
    ['no model', { ...valid, model: undefined }, 'model'],
    ['no input', { ...valid, input: undefined }, 'input'],
    ['an empty input', { ...valid, input: '' }, 'input'],
    ['input of a wrong kind', { ...valid, input: ['a'] }, 'input'],
    ['a stream of events', { ...valid, stream_format: 'sse' }, 'stream_format'],
  ])('with %s is refused with 400 and the parameter named', (_name, body, param) => {
    const error = read(body);
    if (!isApiError(error)) throw new Error('it was accepted');
    expect(error).toMatchObject({ status: 400, body: { error: { param } } });
  });

  it('counts code points, and neither bytes nor UTF-16', () => {
    expect(readOk({ ...valid, input: 'né 🙂', stream_format: 'audio' }).shape.units).toEqual({ character: 4 });
  });

  it('is held for at exactly what it is charged', () => {
    const version = { ...testPrice('m'), rates: { character: '15' } };
    const limits = testModel('m', 'http://upstream.test');
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (input) => {
        const { shape, reading } = readOk({ ...valid, input });
        const hold = worstCaseHold({ version, limits, shape }, 0);
        const normalised = reading.normalise({}, new Set(['character']));
        const charge = 'usage' in normalised ? chargeUsage(version, normalised.usage) : { missing: [] };
        expect(charge).toMatchObject({ totalNanoUsd: hold?.totalNanoUsd });
      }),
    );
  });

  it('takes no error for sound, which would be charged in full', () => {
    const { reading } = readOk(valid);
    const error = Buffer.from('{"error":{"message":"busy","code":503}}');
    expect(reading.readWhole(error, 'application/json; charset=utf-8')).toEqual({ usage: null, isFailure: true });
    expect(reading.readWhole(error, 'audio/mpeg')).toEqual({ usage: {} });
  });

  it('takes an answer without a byte as broken', () => {
    const { reading } = readOk(valid);
    expect(reading.readWhole(Buffer.alloc(0), 'audio/mpeg')).toBeNull();
    expect(reading.readWhole(Buffer.alloc(1), 'audio/mpeg')).toEqual({ usage: {} });
  });
});
