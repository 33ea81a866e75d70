import { Inject, Injectable } from '@nestjs/common';
import type { ControlTransaction } from '@tensorloop/db/control-client';
import { exhaustedHeaders } from '@tensorloop/nest-kit/rate-limit';
import { currentOrigin, currentPrincipal } from '../access/request-context.types.js';
import { CLOCK, type Clock } from '../clock.js';
import { auditProblems } from './audit.errors.js';
import type { AuditActor, AuditCredential, AuditEvent } from './audit.types.js';
import { endsItself, isStillAllowed, takesAway } from './audit-actions.rules.js';

const DAY_MS = 24 * 3_600_000;
/** Changes of one user and their tokens in one account that a day has room for: a script that makes more is one in a loop. */
export const CHANGES_PER_ACTOR_MAX = 2_000;
const CHANGES_POLICY = { name: 'changes-by-actor', quota: CHANGES_PER_ACTOR_MAX, windowMs: DAY_MS };

/** Writes the audit log of an account, in the transaction of the change that it tells of: both are kept, or neither. */
@Injectable()
export class AuditTrail {
  constructor(@Inject(CLOCK) private readonly clock: Clock) {}

  /**
   * `tx` must be a transaction of the event's account. Call it last: from here to the commit other writers of the account
   * wait, so that its chain of entries has no forks. Throws `credential_over` when the session or token of the request was
   * ended since it was let in, or its user removed or given a lesser role, and `changes_throttled` when its actor changes too much; either undoes the change. What takes
   * access away is never the latter.
   */
  async append(tx: Pick<ControlTransaction, '$queryRaw'>, event: AuditEvent): Promise<void> {
    const { accountId, action, subject, details = {} } = event;
    const [actor, origin] = [JSON.stringify(event.actor ?? caller()), JSON.stringify(currentOrigin())];
    const occurredAt = new Date(this.clock());
    const credential = event.credential ?? (event.actor === undefined ? currentPrincipal() : null);
    if (credential !== null && !endsItself(event, credential)) await admit(tx, { event, credential, now: occurredAt });
    await tx.$queryRaw`SELECT control.append_audit(${accountId}::uuid, ${occurredAt}::timestamptz, ${actor}::jsonb, ${action},
      ${JSON.stringify(subject)}::jsonb, ${JSON.stringify(details)}::jsonb, ${origin}::jsonb)`;
  }

  /**
   * Call it right before `append` for what an operator does to somebody else's account: from here to the commit whoever ends the
   * session, or makes its user an operator no more, waits. Throws `credential_over` where that has been done.
   */
  async admitOperator(
    tx: Pick<ControlTransaction, '$queryRaw'>,
    { userId, sessionId }: { userId: string | null; sessionId: string },
  ): Promise<void> {
    const [row] = await tx.$queryRaw<{ isAdmitted: boolean }[]>`
      SELECT control.admit_operator(${sessionId}::uuid, ${userId}::uuid) AS "isAdmitted"`;
    if (row?.isAdmitted !== true) throw auditProblems.credential_over();
  }
}

async function admit(
  tx: Pick<ControlTransaction, '$queryRaw'>,
  { event, credential, now }: { event: AuditEvent; credential: AuditCredential; now: Date },
): Promise<void> {
  const { accountId } = event;
  const { kind, userId, credentialId } = credential;
  const [row] = await tx.$queryRaw<{ isLive: boolean; memberRole: string | null; retryAt: Date | null }[]>`
    SELECT is_live AS "isLive", member_role AS "memberRole", retry_at AS "retryAt"
    FROM control.admit_change(${accountId}::uuid, ${kind}, ${credentialId}::uuid, ${userId}::uuid, ${now}::timestamptz,
      ${CHANGES_PER_ACTOR_MAX}::integer)`;
  const isAllowed = row?.isLive === true && isStillAllowed(event, credential, row.memberRole);
  if (!isAllowed) throw auditProblems.credential_over();
  const { retryAt } = row;
  if (retryAt === null || takesAway(event)) return;
  throw auditProblems.changes_throttled({ headers: exhaustedHeaders(CHANGES_POLICY, retryAt.getTime() - now.getTime()) });
}

function caller(): AuditActor {
  const principal = currentPrincipal();
  if (principal === null) throw new Error('an audit entry outside an authenticated request must name its actor');
  const { kind, userId, credentialId, label } = principal;
  return kind === 'token' ? { kind, id: credentialId, label } : { kind: 'user', id: userId, label };
}
