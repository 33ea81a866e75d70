import { describe, expect, it } from '@jest/globals';
import { kindsWritten, mayBeSaved } from './written-kinds.rules.js';

describe('what a request changed', () => {
  it.each([
    ['POST', '/api/keys', ['keys']],
    ['DELETE', '/api/keys/1', ['keys']],
    ['PATCH', '/api/projects/1', ['projects', 'keys']],
    ['PUT', '/api/account/plan', ['account', 'keys']],
    ['PATCH', '/api/me', ['members']],
    ['GET', '/api/keys', null],
    ['POST', '/api/auth/sign-in', null],
    ['POST', '/v1/keys', null],
    ['POST', '/api/constructor', null],
    ['POST', '/', null],
  ])('%s %s: %j', (method, path, kinds) => {
    expect(kindsWritten(method, path)).toEqual(kinds);
  });
});

describe('a change that failed', () => {
  it.each([
    [503, true],
    [500, true],
    [499, false],
    [422, false],
    [400, false],
  ])('with status %i is told of only where it may be saved', (status, isTold) => {
    expect(mayBeSaved(status)).toBe(isTold);
  });
});
