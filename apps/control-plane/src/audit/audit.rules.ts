import type { AuditFilter } from '@tensorloop/contracts/api/audit';

const NOUN_SUFFIX = '*';

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
