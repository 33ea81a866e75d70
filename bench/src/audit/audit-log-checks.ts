import type { CheckResult } from './audit.types.js';
import type { SnapshotClient } from './snapshot.js';
import { runSqlCheck } from './sql-check.js';

/** The audit logs of accounts: each entry is what was hashed, follows from the one before, and none is missing (TL-1). */
export function checkAuditLogs(client: SnapshotClient): Promise<CheckResult> {
  return runSqlCheck(client, {
    name: 'audit log: every chain is as it was written',
    population: 'SELECT count(*) FROM control.audit_entries',
    violations: `SELECT 'account ' || a.id AS subject, 'an unbroken chain' AS expected, p ->> 'detail' AS actual
      FROM (SELECT account_id AS id FROM control.audit_heads UNION SELECT account_id FROM control.audit_entries) AS a
      CROSS JOIN LATERAL control.verify_audit(a.id) AS v CROSS JOIN LATERAL jsonb_array_elements(v.problems) AS p
      ORDER BY a.id, p ->> 'sequence'`,
  });
}
