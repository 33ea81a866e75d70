import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { requestCompletedSchema } from './request-completed.js';
import { TAG_VALUE_LENGTH_MAX, TAGS_MAX, tagsSchema } from './tags.js';

const isAccepted = (tags: unknown) => tagsSchema.safeParse(tags).success;
const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`tag-${index}`, 'x']));

describe('tags', () => {
  it.each([{}, { team: 'search' }, { 'cost-center': 'Köln 7', a: '=1+1', 'k8s.pod_name': 'x' }, many(TAGS_MAX)])(
    '%j are accepted as they are',
    (tags) => {
      expect(tagsSchema.parse(tags)).toEqual(tags);
    },
  );

  it.each([
    ['a name with a capital', { Team: 'x' }],
    ['a name that begins with a digit', { '1st': 'x' }],
    ['an empty name', { '': 'x' }],
    ['a name of 33 characters', { ['a'.repeat(33)]: 'x' }],
    ['an empty value', { team: '' }],
    ['a value of 65 characters', { team: 'x'.repeat(TAG_VALUE_LENGTH_MAX + 1) }],
    ['a line feed', { team: 'a\nb' }],
    ['NUL, which PostgreSQL cannot keep', { team: 'a\u0000b' }],
    ['half a surrogate pair', { team: 'a\ud800' }],
    ['a mark that turns the reading direction', { team: 'a\u202eb' }],
    ['a space at the end', { team: 'a ' }],
    ['a number', { team: 1 }],
    ['one tag too many', many(TAGS_MAX + 1)],
  ])('%s is refused', (_, tags) => {
    expect(isAccepted(tags)).toBe(false);
  });

  it('a name that is part of every object is no tag', () => {
    expect(tagsSchema.parse(JSON.parse('{"__proto__": "x", "team": "y"}'))).toEqual({ team: 'y' });
  });

  it('64 characters outside the basic plane are 64 characters', () => {
    expect(isAccepted({ team: '🜁'.repeat(TAG_VALUE_LENGTH_MAX) })).toBe(true);
  });

  it('that cannot be read are left out of an event, which stays a call to be booked', () => {
    const file = new URL('../samples/request.completed.v1/attributed.json', import.meta.url);
    const sample = JSON.parse(readFileSync(file, 'utf8'));
    const parsed = requestCompletedSchema.parse({ ...sample, projectId: 'none', tags: { Team: 'x' } });
    expect([parsed.projectId, parsed.tags]).toEqual([undefined, undefined]);
    expect(parsed.chargeNanoUsd).toBe(sample.chargeNanoUsd);
    expect('tags' in requestCompletedSchema.parse({ ...sample, tags: undefined })).toBe(true);
  });
});
