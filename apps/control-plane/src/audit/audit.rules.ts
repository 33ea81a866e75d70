import type { AuditFilter } from '@tensorloop/contracts/api/audit';

/** Marks the form of the cursor, so that it can change without an old one being misread. */
const CURSOR_PREFIX = 'u1.';
const SEQUENCE = /^[1-9]\d{0,15}$/;
const NOUN_SUFFIX = '*';

/** Opaque to clients: the last sequence number of a page. */
export function toCursor(sequence: number): string {
  return Buffer.from(CURSOR_PREFIX + sequence).toString('base64url');
}

/** The sequence number in a cursor, or null when the text is none of ours. */
export function parseCursor(cursor: string): number | null {
  const text = Buffer.from(cursor, 'base64url').toString();
  const sequence = text.slice(CURSOR_PREFIX.length);
  if (!text.startsWith(CURSOR_PREFIX) || !SEQUENCE.test(sequence) || toCursor(Number(sequence)) !== cursor) return null;
  return Number(sequence);
}

/** What a list or an export is narrowed to; null = not narrowed. */
export interface EntryFilter {
  actorId: string | null;
  actorKind: string | null;
  action: string | null;
  /** "key." of "key.*" */
  actionPrefix: string | null;
  subjectKind: string | null;
  subjectId: string | null;
  from: Date | null;
  to: Date | null;
}

export function toFilter(query: AuditFilter): EntryFilter {
  const { action } = query;
  const isNoun = action?.endsWith(NOUN_SUFFIX) === true;
  return {
    actorId: query.actorId ?? null,
    actorKind: query.actorKind ?? null,
    action: action === undefined || isNoun ? null : action,
    actionPrefix: isNoun ? action.slice(0, -NOUN_SUFFIX.length) : null,
    subjectKind: query.subjectKind ?? null,
    subjectId: query.subjectId ?? null,
    from: query.from === undefined ? null : new Date(query.from),
    to: query.to === undefined ? null : new Date(query.to),
  };
}
