import { describe, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { CURSORS, type Cursors } from './cursor.types.js';

const LISTS = Object.entries(CURSORS) as [name: string, cursors: Cursors<string | number>][];
const LISTS_MIN = 10;
const positionFor = (name: string) => (name === 'auditEntries' ? 41 : uuid7());

function codeOf(work: () => unknown): unknown {
  try {
    return work();
  } catch (err) {
    return (err as { code?: unknown }).code;
  }
}

describe('a cursor', () => {
  it('is read by the list that wrote it, as what it was, and by no other', () => {
    expect(LISTS.length).toBeGreaterThanOrEqual(LISTS_MIN);
    for (const [name, cursors] of LISTS) {
      const position = positionFor(name);
      const cursor = cursors.write(position);
      expect(cursors.read(cursor)).toBe(position);
      for (const [other, others] of LISTS)
        if (other !== name) expect([other, codeOf(() => others.read(cursor))]).toEqual([other, 'cursor_invalid']);
    }
  });

  it('that is left out is the first page', () => {
    for (const [, cursors] of LISTS) expect(cursors.read(undefined)).toBeNull();
  });

  it('is refused when it is none: empty, an id as it stands, cut off, with anything added, or another spelling of one', () => {
    for (const [name, cursors] of LISTS) {
      const cursor = cursors.write(positionFor(name));
      const spoilt = [
        '',
        uuid7(),
        cursor.slice(0, -2),
        `${cursor}A`,
        `${cursor}==`,
        ` ${cursor}`,
        `${cursor}\n`,
        'x'.repeat(9_000),
      ];
      for (const text of spoilt) expect([text, codeOf(() => cursors.read(text))]).toEqual([text, 'cursor_invalid']);
    }
  });

  it('of a number is one from 1 on', () => {
    for (const text of ['u1.0', 'u1.-1', 'u1.1.5', 'u1.', `u1.${'9'.repeat(17)}`])
      expect(codeOf(() => CURSORS.auditEntries.read(Buffer.from(text).toString('base64url')))).toBe('cursor_invalid');
  });
});
