import { describe, expect, it } from '@jest/globals';
import { TAGS_MAX, type Tags, tagsSchema } from '@tensorloop/contracts/tags';
import fc from 'fast-check';
import { isApiError } from '../errors/api-error.types.js';
import { mergeTags, readTagsHeader, TAGS_HEADER, TAGS_HEADER_LENGTH_MAX } from './tags-header.service.js';

const read = (header: string) => readTagsHeader({ [TAGS_HEADER]: header });

describe('the header by which a call adds tags', () => {
  it.each([
    ['team=search', { team: 'search' }],
    [' team = search , environment=production', { team: 'search', environment: 'production' }],
    ['cost-center=K%C3%B6ln%207', { 'cost-center': 'Köln 7' }],
    ['query=a=b', { query: 'a=b' }],
    ['list=a%2Cb', { list: 'a,b' }],
    ['__proto__x=1'.replace('__proto__x', 'x.proto'), { 'x.proto': '1' }],
  ])('%j names %j', (header, tags) => {
    expect(read(header)).toEqual(tags);
  });

  it('may be absent or empty', () => {
    expect(readTagsHeader({})).toBeNull();
    expect(read('  ')).toBeNull();
  });

  it.each([
    'team',
    'team=',
    '=search',
    'Team=search',
    'team=search,',
    'team=search,team=ads',
    'team=%',
    'team=%FF',
    'team=a%00b',
    'team=a%E2%80%AEb',
    `team=${'x'.repeat(65)}`,
    `t=${'x'.repeat(TAGS_HEADER_LENGTH_MAX)}`,
    Array.from({ length: TAGS_MAX + 1 }, (_, n) => `t${n}=x`).join(','),
    '__proto__=x',
  ])('%j is a 400 that names the header', (header) => {
    const error = read(header);
    if (!isApiError(error)) throw new Error(`${header} was taken`);
    expect([error.status, error.body.error.param]).toEqual([400, TAGS_HEADER]);
    expect(error.body.error.message).toContain(TAGS_HEADER);
  });

  it('is either refused or fit for an event, whatever it says', () => {
    const piece = fc.oneof(fc.string(), fc.constantFrom('team=search', '=', ',', '%41', '%', 't1=x', ' '));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const tags = read(pieces.join(''));
        expect(tags === null || isApiError(tags) || tagsSchema.safeParse(tags).success).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('tags of a key and of its call', () => {
  it('are both kept, and where both name one the key’s wins: nobody books a key’s calls to somebody else', () => {
    expect(mergeTags({ team: 'search' }, { team: 'ads', run: '7' })).toEqual({ team: 'search', run: '7' });
    expect(mergeTags(null, { run: '7' })).toEqual({ run: '7' });
    expect(mergeTags({ team: 'search' }, null)).toEqual({ team: 'search' });
    expect(mergeTags(undefined, null)).toBeNull();
  });

  it('are never more than an event holds: those of the key stay', () => {
    const many = (name: string, count: number): Tags =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`${name}${n}`, 'x']));
    const merged = mergeTags(many('key', 12), many('call', 10)) as Tags;
    expect(tagsSchema.safeParse(merged).success).toBe(true);
    expect(Object.keys(merged).filter((name) => name.startsWith('key'))).toHaveLength(12);
    expect(Object.keys(merged)).toHaveLength(TAGS_MAX);
  });
});
