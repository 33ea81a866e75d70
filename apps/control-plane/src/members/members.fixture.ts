import type { Role } from '@tensorloop/contracts/dashboard-api';
import type { TestBrowser, TestControlPlane } from '../control-plane.fixture.js';

export interface TestMember {
  browser: TestBrowser;
  userId: string;
  email: string;
}

/** A further person in an account, whose session acts for it. */
export async function addMember(plane: TestControlPlane, accountId: string, role: Role): Promise<TestMember> {
  const { browser, me, email } = await plane.signUp();
  const userId = me.user.id;
  await plane.database.query('INSERT INTO control.memberships (account_id, user_id, role) VALUES ($1, $2, $3)', [
    accountId,
    userId,
    role,
  ]);
  await plane.database.query('UPDATE control.sessions SET account_id = $1 WHERE user_id = $2', [accountId, userId]);
  return { browser, userId, email };
}

/** Actions in the audit log of an account, the oldest first. */
export async function auditedActions(plane: TestControlPlane, accountId: string): Promise<string[]> {
  const rows = await plane.database.query<{ action: string }>(
    'SELECT action FROM control.audit_entries WHERE account_id = $1 ORDER BY sequence',
    [accountId],
  );
  return rows.map(({ action }) => action);
}
