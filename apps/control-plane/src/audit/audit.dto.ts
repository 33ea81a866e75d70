import { type AuditEntry, type AuditPage, auditEntrySchema } from '@tensorloop/contracts/api/audit';
import type { EntryRow } from './audit.repository.js';
import { toCursor } from './audit.rules.js';

/** `rows` holds one more than the page, if there is more. */
export function toPage(rows: readonly EntryRow[], limit: number): AuditPage {
  const data = rows.slice(0, limit).map(toEntry);
  const hasMore = rows.length > limit;
  const last = data.at(-1);
  return { data, hasMore, nextCursor: hasMore && last !== undefined ? toCursor(last.sequence) : null };
}

function toEntry(row: EntryRow): AuditEntry {
  return auditEntrySchema.parse({
    sequence: Number(row.sequence),
    time: row.occurredAt.toISOString(),
    actor: { kind: row.actorKind, id: row.actorId, label: row.actorLabel },
    action: row.action,
    subject: { kind: row.subjectKind, id: row.subjectId },
    details: row.details,
    ipPrefix: row.ipPrefix,
    userAgent: row.userAgent,
    requestId: row.requestId,
    previousHash: row.previousHash,
    hash: row.hash,
  });
}
