import { describe, expect, it } from '@jest/globals';
import {
  hashBody,
  isIdempotencyKey,
  judge,
  OPEN_ANSWER_MS_MAX,
  REMEMBERED_MS,
  RESERVATION_MS_MAX,
  routeName,
} from './idempotency.rules.js';

const NOW_MS = 1_800_000_000_000;

describe('an Idempotency-Key', () => {
  it.each(['a', 'c8f2f1f0-1a2b-4c3d-8e9f-000000000000', '"quoted, as the draft wants"', 'x'.repeat(255)])('is %j', (key) => {
    expect(isIdempotencyKey(key)).toBe(true);
  });

  it.each([['', ' a', 'a ', 'x'.repeat(256), 'ü', 'a\tb', undefined, ['a', 'b']]].flat())('is not %j', (key) => {
    expect(isIdempotencyKey(key)).toBe(false);
  });
});

describe('the route of a request', () => {
  const id = 'c8f2f1f0-1a2b-4c3d-8e9f-00000000000A';

  it('names the ids in its path, alike in letters of either case', () => {
    const pattern = '/api/invites/:inviteId/resend';
    const expected = 'POST /api/invites/c8f2f1f0-1a2b-4c3d-8e9f-00000000000a/resend';
    expect(routeName('POST', pattern, { inviteId: id })).toBe(expected);
    expect(routeName('POST', pattern, { inviteId: id.toLowerCase() })).toBe(expected);
  });

  it('tells names apart that are no ids', () => {
    expect(routeName('POST', '/api/things/:name', { name: 'Ab' })).toBe('POST /api/things/Ab');
  });
});

describe('the hash of a body', () => {
  it('is the same whatever the order of the fields, and no other', () => {
    expect(hashBody({ a: 1, b: { c: [1, 2], d: null } })).toBe(hashBody({ b: { d: null, c: [1, 2] }, a: 1 }));
    const bodies = [{ a: [1, 2] }, { a: [2, 1] }, { a: { 0: 1, 1: 2 } }, { a: '1,2' }, {}, [], null, '', undefined];
    expect(new Set(bodies.map(hashBody)).size).toBe(bodies.length);
  });

  it('leaves the body as it was', () => {
    const body = { b: 1, a: { d: 1, c: 2 } };
    hashBody(body);
    expect(JSON.stringify(body)).toBe('{"b":1,"a":{"d":1,"c":2}}');
  });

  it('is made of a body as deep as fits into one request', () => {
    let body: unknown = 1;
    for (let depth = 0; depth < 30_000; depth++) body = [body];
    expect(hashBody(body)).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('a repeated request', () => {
  const known = { bodyHash: 'a', reservedAt: new Date(NOW_MS), answer: null, isFinal: true };
  const answered = { ...known, answer: { status: 201, body: {} } };
  const open = { ...answered, isFinal: false };

  it.each([
    { when: 'while the first is under way', row: known, hash: 'a', ageMs: RESERVATION_MS_MAX - 1, kind: 'in_flight' },
    { when: 'when the first was cut off', row: known, hash: 'a', ageMs: RESERVATION_MS_MAX, kind: 'over' },
    { when: 'when the first was answered', row: answered, hash: 'a', ageMs: REMEMBERED_MS - 1, kind: 'replay' },
    { when: 'while the first may be undone', row: open, hash: 'a', ageMs: OPEN_ANSWER_MS_MAX - 1, kind: 'in_flight' },
    { when: 'when nobody said whether it is', row: open, hash: 'a', ageMs: OPEN_ANSWER_MS_MAX, kind: 'open' },
    { when: 'a day later', row: answered, hash: 'a', ageMs: REMEMBERED_MS, kind: 'over' },
    { when: 'with another body', row: answered, hash: 'b', ageMs: 1, kind: 'other_body' },
    { when: 'with another body while the first is under way', row: known, hash: 'b', ageMs: 1, kind: 'other_body' },
    { when: 'with another body a day later', row: answered, hash: 'b', ageMs: REMEMBERED_MS, kind: 'over' },
  ])('$when: $kind', ({ row, hash, ageMs, kind }) => {
    expect(judge(row, hash, NOW_MS + ageMs).kind).toBe(kind);
  });
});
