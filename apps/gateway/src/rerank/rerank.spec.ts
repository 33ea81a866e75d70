import { describe, expect, it } from '@jest/globals';
import { chargeUsage } from '@tensorloop/pricing/charge';
import { worstCaseHold } from '@tensorloop/pricing/hold';
import fc from 'fast-check';
import { testModel, testPrice } from '../../test/test-models.js';
import { isApiError } from '../errors/api-error.types.js';
import { rerank } from './rerank.service.js';
import { DOCUMENTS_MAX } from './rerank-request.js';

const valid = { model: 'm', query: 'q', documents: ['a'] };

function read(body: unknown) {
  return rerank.read(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), {});
}

function readOk(body: object) {
  const request = read(body);
  if (isApiError(request)) throw new Error(request.body.error.message);
  return request;
}

describe('a rerank request', () => {
  it.each<[string, unknown, string | null]>([
    ['no JSON', 'x', null],
    ['no model', { ...valid, model: undefined }, 'model'],
    ['no query', { ...valid, query: undefined }, 'query'],
    ['a query that is no text', { ...valid, query: ['q'] }, 'query'],
    ['no documents', { ...valid, documents: undefined }, 'documents'],
    ['an empty list', { ...valid, documents: [] }, 'documents'],
    ['too many documents', { ...valid, documents: Array(DOCUMENTS_MAX + 1).fill('') }, 'documents'],
    ['a document that is none', { ...valid, documents: ['a', 4] }, 'documents[1]'],
    ['a picture', { ...valid, documents: ['a', { image: 'https://x.test/a.png' }] }, 'documents[1]'],
    ['top_n 0', { ...valid, top_n: 0 }, 'top_n'],
  ])('with %s is refused with 400 and the parameter named', (_name, body, param) => {
    const error = read(body);
    if (!isApiError(error)) throw new Error('it was accepted');
    expect(error).toMatchObject({ status: 400, body: { error: { param } } });
  });

  it('takes documents as texts and as objects', () => {
    expect(readOk({ ...valid, documents: ['a', { text: 'b' }, { image: 'c', text: 'd' }] }).shape.inputs).toBe(3);
  });

  it('is never charged more than its hold although the query is read with every document', () => {
    const model = testModel('m', 'http://upstream.test', { contextTokens: 50, overheadTokens: 4 });
    const version = testPrice('m');
    const texts = fc.array(fc.string({ unit: 'binary', maxLength: 60 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), texts, (query, documents) => {
        const { shape } = readOk({ model: 'm', query, documents });
        const hold = worstCaseHold({ version, limits: model, shape }, 0);
        const pair = (document: string) => Math.min(50, Buffer.byteLength(query) + Buffer.byteLength(document) + 4);
        const charge = chargeUsage(version, { input: documents.reduce((sum, document) => sum + pair(document), 0) });
        expect(hold !== null && 'totalNanoUsd' in charge && charge.totalNanoUsd <= hold.totalNanoUsd).toBe(true);
      }),
    );
  });

  it.each([
    [{ results: [], usage: { total_tokens: 7 } }, { total_tokens: 7 }],
    [{ results: [], meta: { billed_units: { search_units: 1 }, tokens: { input_tokens: 9 } } }, { total_tokens: 9 }],
    [{ results: [], meta: { billed_units: { search_units: 1 } } }, null],
    [{ results: [] }, null],
  ])('reads the usage of %j', (answer, usage) => {
    expect(readOk(valid).reading.readWhole(Buffer.from(JSON.stringify(answer)), 'application/json')).toEqual({ usage });
  });

  it('takes an answer that is no JSON as broken', () => {
    expect(readOk(valid).reading.readWhole(Buffer.from('<html>'), 'application/json')).toBeNull();
  });
});
