import { type AuditEntry, type AuditPage, auditEntrySchema } from '@tensorloop/contracts/api/audit';
import { toPage } from '@tensorloop/contracts/api/pages';
import { CURSORS } from '../pages/cursor.types.js';
import type { EntryRow } from './audit.repository.js';

/** `rows` holds one more than the page, if there is more. */
export function toAuditPage(rows: readonly EntryRow[], limit: number): AuditPage {
  return toPage(rows, limit, { cursorOf: ({ sequence }) => CURSORS.auditEntries.write(Number(sequence)), toItem: toEntry });
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
