import { describe, expect, it } from '@jest/globals';
import { entityTagOf, isFresh } from './entity-tag.js';

describe('an entity tag', () => {
  it('is strong, short, the same for the same text and shows a version that the text shows', () => {
    expect(entityTagOf('{}', null)).toMatch(/^"[\w-]{22}"$/);
    expect(entityTagOf('{}', null)).toBe(entityTagOf('{}', null));
    expect(entityTagOf('{}', null)).not.toBe(entityTagOf('[]', null));
    expect(entityTagOf('{}', 3)).toMatch(/^"3\.[\w-]{22}"$/);
  });

  it.each([
    ['"a"', true],
    ['"b", "a"', true],
    ['W/"a"', true],
    ['*', true],
    ['"b"', false],
    ['a', false],
    ['', false],
    [undefined, false],
  ])('"a" against If-None-Match %j: %s', (header, fresh) => {
    expect(isFresh(header, '"a"')).toBe(fresh);
  });
});
