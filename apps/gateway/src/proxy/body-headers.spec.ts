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

  it('may not say that it is compressed', () => {
    expect(mediaProblem({ 'content-encoding': 'gzip', 'content-type': 'application/json' })).toMatchObject({ status: 415 });
    expect(mediaProblem({ 'content-encoding': 'identity' })).toBeNull();
  });
});
