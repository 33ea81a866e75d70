import { describe, expect, it } from '@jest/globals';
import { newKeyText } from '@tensorloop/kernel/key-text';
import { isApiError } from '../errors/api-error.types.js';
import { readBearer } from './bearer.service.js';

const key = newKeyText('Acc0unt1');
const altered = `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`;

describe('the Authorization header', () => {
  it('with exactly "Bearer", one space and a key is read', () => {
    expect(readBearer(`Bearer ${key}`, undefined)).toEqual({ keyText: key, accountTag: 'Acc0unt1' });
  });

  it.each<[string, string | undefined, RegExp]>([
    ['missing', undefined, /No API key/],
    ['empty', '', /No API key/],
    ['the scheme alone', 'Bearer', /carries no key/],
    ['the scheme and a space', 'Bearer ', /one space/],
    ['two spaces', `Bearer  ${key}`, /exactly one space/],
    ['lower case', `bearer ${key}`, /exactly "Bearer"/],
    ['upper case', `BEARER ${key}`, /exactly "Bearer"/],
    ['another scheme', `Basic ${key}`, /scheme "Bearer"/],
    ['no scheme', key, /scheme "Bearer"/],
    ['a tab', `Bearer\t${key}`, /scheme "Bearer"/],
    ['something after the key', `Bearer ${key} x`, /nothing may follow/],
    ['a trailing space', `Bearer ${key} `, /nothing may follow/],
    ['a wrong checksum', `Bearer ${altered}`, /malformed/],
    ['another kind of key', 'Bearer sk-1234', /malformed/],
  ])('%s is refused with 401 and told what is wrong (TL-8)', (_name, header, message) => {
    const error = readBearer(header, undefined);
    if (!isApiError(error)) throw new Error('it was accepted');
    expect(error.status).toBe(401);
    expect(error.body.error).toMatchObject({ type: 'invalid_request_error', code: 'invalid_api_key', param: null });
    expect(error.body.error.message).toMatch(message);
    expect(JSON.stringify(error)).not.toContain(key.slice(3, 20));
  });

  it.each([
    ['a management token', `Bearer tlm_${key.slice(3)}`, undefined],
    ['a session cookie', undefined, 'theme=dark; __Host-tl_session=abc'],
  ])('%s is told which surface it belongs to (TL-6)', (_name, header, cookie) => {
    const error = readBearer(header, cookie);
    if (!isApiError(error)) throw new Error('it was accepted');
    expect(error.status).toBe(401);
    expect(error.body.error.code).toBe('wrong_surface');
    expect(error.body.error.message).toMatch(/\/api\/\*.*\/v1\/\*/);
  });
});
