import { describe, expect, it } from '@jest/globals';
import { NotFoundException, PayloadTooLargeException } from '@nestjs/common';
import { defineProblems, problemLogLevel, problemStatus, toProblem } from './problem.js';
import { toPointer } from './validation.js';

const problems = defineProblems({ key_not_found: { kind: 'not_found', text: 'There is no such key.' } });

describe('a problem', () => {
  it('takes status and log level from its kind', () => {
    const problem = problems.key_not_found();
    expect([problem.code, problem.detail, problemStatus(problem.kind), problemLogLevel(problem.kind)]).toEqual([
      'key_not_found',
      'There is no such key.',
      404,
      'debug',
    ]);
    expect(toProblem(problem)).toBe(problem);
  });

  it.each([
    [new NotFoundException('Cannot GET /secret/path'), 'not_found'],
    [new PayloadTooLargeException(), 'body_too_large'],
    [Object.assign(new Error('request entity too large'), { statusCode: 413, expose: true }), 'body_too_large'],
    [Object.assign(new Error('odd'), { status: 418 }), 'invalid_request'],
    [Object.assign(new Error('upstream'), { status: 502 }), 'internal_error'],
    [new Error('connect ECONNREFUSED 10.0.0.1:5432'), 'internal_error'],
    ['thrown text', 'internal_error'],
    [null, 'internal_error'],
  ])('hides the text of %p behind %s', (thrown, code) => {
    const problem = toProblem(thrown);
    expect(problem.code).toBe(code);
    expect(problem.detail).not.toMatch(/ECONN|secret|entity|thrown/);
  });
});

describe('a JSON pointer', () => {
  it('escapes what RFC 6901 reserves', () => {
    expect(toPointer([])).toBe('');
    expect(toPointer(['a/b', 'm~n', '0'])).toBe('/a~1b/m~0n/0');
  });
});
