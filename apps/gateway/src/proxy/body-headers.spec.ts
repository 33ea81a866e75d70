import { describe, expect, it } from '@jest/globals';
import { mediaProblem } from './body-headers.js';

describe('the headers of a request body', () => {
  it.each([
    undefined,
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON;charset="UTF-8"',
    'application/vnd.api+json',
  ])('may name its type as %s', (type) => {
    expect(mediaProblem(type === undefined ? {} : { 'content-type': type })).toBeNull();
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    '',
    'application/jsonx',
    'application/json; charset=utf-16',
  ])('may not name its type as %j', (type) => {
    expect(mediaProblem({ 'content-type': type })).toMatchObject({
      status: 415,
      body: { error: { code: 'unsupported_media_type' } },
    });
  });

  it('must name a form with a boundary where a form is taken', () => {
    expect(mediaProblem({ 'content-type': 'multipart/form-data; boundary=x' }, 'form')).toBeNull();
    for (const type of [undefined, 'application/json', 'multipart/form-data', 'multipart/mixed; boundary=x'])
      expect(mediaProblem(type === undefined ? {} : { 'content-type': type }, 'form')).toMatchObject({ status: 415 });
  });

  it('may not say that it is compressed', () => {
    expect(mediaProblem({ 'content-encoding': 'gzip', 'content-type': 'application/json' })).toMatchObject({ status: 415 });
    expect(mediaProblem({ 'content-encoding': 'identity' })).toBeNull();
  });
});
