import { describe, expect, it } from '@jest/globals';
import type { Deployment } from '@tensorloop/contracts/model-catalogue';
import { chargeUsage } from '@tensorloop/pricing/charge';
import { worstCaseHold } from '@tensorloop/pricing/hold';
import fc from 'fast-check';
import { FORM_TYPE, type FormPart, formBody } from '../../test/form.js';
import { testModel, testPrice } from '../../test/test-models.js';
import { isApiError } from '../errors/api-error.types.js';
import { transcriptions } from './transcriptions.service.js';

const MODEL: FormPart = { name: 'model', value: 'm' };
const FILE: FormPart = { name: 'file', value: Buffer.alloc(1_000), filename: 'a.wav' };
const [deployment] = testModel('m', 'http://upstream.test').deployments as [Deployment];

function read(parts: FormPart[]) {
  return transcriptions.read(formBody(parts), { 'content-type': FORM_TYPE });
}

function readOk(parts: FormPart[]) {
  const request = read(parts);
  if (isApiError(request)) throw new Error(request.body.error.message);
  return request;
}

describe('a transcription request', () => {
  it.each<[string, FormPart[], string | null]>([
    ['no part at all', [], 'model'],
    ['no model', [FILE], 'model'],
    ['an empty model', [FILE, { ...MODEL, value: '' }], 'model'],
    ['a file as the model', [FILE, { ...MODEL, filename: 'm' }], 'model'],
    ['a model in no UTF-8', [FILE, { ...MODEL, value: Buffer.from([255]) }], 'model'],
    ['two models', [FILE, MODEL, { ...MODEL, value: 'other' }], 'model'],
    ['no file', [MODEL], 'file'],
    ['text as the file', [MODEL, { name: 'file', value: 'a' }], 'file'],
    ['two files', [MODEL, FILE, FILE], 'file'],
    ['the address of a file', [MODEL, FILE, { name: 'url', value: 'https://x.test/a.wav' }], 'url'],
    ['a format nobody knows', [MODEL, FILE, { name: 'response_format', value: 'xml' }], 'response_format'],
    ['a stream', [MODEL, FILE, { name: 'stream', value: 'true' }], 'stream'],
    ['a stream by another word', [MODEL, FILE, { name: 'stream', value: '1' }], 'stream'],
  ])('with %s is refused with 400 and the parameter named', (_name, parts, param) => {
    const error = read(parts);
    if (!isApiError(error)) throw new Error('it was accepted');
    expect(error).toMatchObject({ status: 400, body: { error: { param } } });
  });

  it('goes upstream byte for byte, and with the model alone replaced where it is called otherwise', () => {
    const parts = [FILE, MODEL, { name: 'prompt', value: 'm' }, { name: 'stream', value: 'false' }];
    const body = formBody(parts);
    const request = readOk(parts);
    expect(request.bodyFor(deployment, null).equals(body)).toBe(true);
    expect(request.upstreamHeaders).toEqual({ 'content-type': FORM_TYPE });
    const renamed = request.bodyFor({ ...deployment, upstreamModel: 'whisper-large' }, null);
    const expected = formBody([FILE, { ...MODEL, value: 'whisper-large' }, ...parts.slice(2)]);
    expect(renamed.equals(expected)).toBe(true);
  });

  it.each<[string, string, object | null]>([
    ['json', '{"text":"a","usage":{"type":"duration","seconds":3}}', { audio_second: 3 }],
    ['verbose_json', '{"text":"a","duration":2.4}', { audio_second: 3 }],
    ['json', '{"text":"a"}', null],
    ['text', 'a\n', null],
    ['srt', '1\n00:00:00,000 --> 00:00:01,500\na\n', null],
  ])('in %s is answered with usage as in %j', (format, answer, usage) => {
    const { reading } = readOk([MODEL, FILE, { name: 'response_format', value: format }]);
    const whole = reading.readWhole(Buffer.from(answer), 'application/json');
    const normalised = whole?.usage ? reading.normalise(whole.usage, new Set(['audio_second'])) : { nonsense: '' };
    expect('usage' in normalised ? normalised.usage : null).toEqual(usage);
  });

  it.each([
    ['json', `{"text":"${'x'.repeat(60)}"}`, { audio_second: 2 }],
    ['json', '[]', {}],
    ['text', 'x'.repeat(60), { audio_second: 2 }],
  ])('whose answer in %s does not say how long it was is counted low', (format, answer, units) => {
    const { reading } = readOk([MODEL, FILE, { name: 'response_format', value: format }]);
    expect(reading.countUnits?.({ body: Buffer.from(answer), usage: null })).toEqual(units);
  });

  it.each(['text', 'srt', 'vtt'])('takes no error in JSON for a transcript in %s', (format) => {
    const { reading } = readOk([MODEL, FILE, { name: 'response_format', value: format }]);
    const error = Buffer.from('{"error":{"message":"busy","code":503}}');
    expect(reading.readWhole(error, 'application/json')).toEqual({ usage: null, isFailure: true });
    expect(reading.readWhole(Buffer.from('a'), 'text/plain')).toEqual({ usage: null });
  });

  it('takes an answer that is no JSON as broken where JSON was asked for', () => {
    expect(readOk([MODEL, FILE]).reading.readWhole(Buffer.from('hello'), 'application/json')).toBeNull();
  });

  it('is never charged more than its hold for sound of 4 kbit/s and above', () => {
    const price = { ...testPrice('m'), rates: { audio_second: '100' } };
    const limits = testModel('m', 'http://upstream.test');
    fc.assert(
      fc.property(fc.nat(20_000), fc.double({ min: 500, max: 100_000, noNaN: true }), (bytes, rate) => {
        const { shape } = readOk([MODEL, { ...FILE, value: Buffer.alloc(bytes) }]);
        const hold = worstCaseHold({ version: price, limits, shape }, 0);
        const charge = chargeUsage(price, { audio_second: Math.ceil(bytes / rate) });
        expect(hold !== null && 'totalNanoUsd' in charge && charge.totalNanoUsd <= hold.totalNanoUsd).toBe(true);
      }),
    );
  });
});
