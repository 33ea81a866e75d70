import { isUuid7 } from '@tensorloop/kernel/uuid7';
import { pageProblems } from './pages.errors.js';

/** Up to where a list was read, as clients carry it from page to page: opaque to them, and good for this one list. */
export interface Cursors<Position> {
  write(position: Position): string;
  /** Null when there is none, for the first page. Throws cursor_invalid for a text that this list did not write. */
  read(cursor: string | undefined): Position | null;
}

const POSITIVE = /^[1-9]\d{0,15}$/;

/**
 * The cursors of all lists, each with a mark of its own: one of another list is refused, and so is one of a form that was given
 * up. In code that form is changed by counting the mark up.
 */
export const CURSORS = {
  accounts: ofIds('m1.'),
  activity: ofIds('a1.'),
  auditEntries: ofNumbers('u1.'),
  erasures: ofIds('e1.'),
  invites: ofIds('i1.'),
  keys: ofIds('k1.'),
  members: ofIds('n1.'),
  operatorAccounts: ofIds('o1.'),
  projects: ofIds('p1.'),
  tokens: ofIds('t1.'),
} as const;

function ofIds(mark: string): Cursors<string> {
  return of(mark, { toText: (id) => id, parse: (text) => (isUuid7(text) ? text : null) });
}

function ofNumbers(mark: string): Cursors<number> {
  return of(mark, { toText: String, parse: (text) => (POSITIVE.test(text) ? Number(text) : null) });
}

function of<Position>(
  mark: string,
  { toText, parse }: { toText: (position: Position) => string; parse: (text: string) => Position | null },
): Cursors<Position> {
  const write = (position: Position) => Buffer.from(mark + toText(position)).toString('base64url');
  return {
    write,
    read(cursor) {
      if (cursor === undefined) return null;
      const text = Buffer.from(cursor, 'base64url').toString();
      const position = text.startsWith(mark) ? parse(text.slice(mark.length)) : null;
      // Decoding passes over what is no base64url: only what is written again alike was ours.
      if (position === null || write(position) !== cursor) throw pageProblems.cursor_invalid();
      return position;
    },
  };
}
