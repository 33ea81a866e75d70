import { describe, expect, it } from '@jest/globals';
import { requireVersion, versionOfIfMatch } from './if-match.js';
import { ProblemError } from './problem.js';

describe('If-Match', () => {
  it.each([
    ['"3"', 3],
    ['"3.dGhlIGhhc2g"', 3],
    [' "12" ', 12],
    ['*', null],
    [undefined, null],
  ])('%j names version %j', (header, version) => {
    expect(versionOfIfMatch(header)).toBe(version);
  });

  it.each(['3', '', '"a"', 'W/"3"', '"3", "4"', '"3', '"-1"', '"9999999999"'])('%j is refused', (header) => {
    expect(() => versionOfIfMatch(header)).toThrow(ProblemError);
  });

  it('lets a change through only on the version it was made for, or on any when it names none', () => {
    expect(() => requireVersion(4, 3)).toThrow('precondition_failed');
    requireVersion(3, 3);
    requireVersion(4, null);
  });
});
