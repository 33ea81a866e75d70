import { Inject, Injectable } from '@nestjs/common';
import type { ControlTransaction } from '@tensorloop/db/control-client';
import { currentOrigin, currentPrincipal } from '../access/request-context.types.js';
import { CLOCK, type Clock } from '../clock.js';
import type { AuditActor, AuditEvent } from './audit.types.js';

/** Writes the audit log of an account, in the transaction of the change that it tells of: both are kept, or neither. */
@Injectable()
export class AuditTrail {
  constructor(@Inject(CLOCK) private readonly clock: Clock) {}

  /**
   * `tx` must be a transaction of the event's account. Call it last: from here to the commit other writers of the account
   * wait, so that its chain of entries has no forks.
   */
  async append(tx: Pick<ControlTransaction, '$queryRaw'>, event: AuditEvent): Promise<void> {
    const { accountId, action, subject, details = {} } = event;
    const [actor, origin] = [JSON.stringify(event.actor ?? caller()), JSON.stringify(currentOrigin())];
    const occurredAt = new Date(this.clock());
    await tx.$queryRaw`SELECT control.append_audit(${accountId}::uuid, ${occurredAt}::timestamptz, ${actor}::jsonb, ${action},
      ${JSON.stringify(subject)}::jsonb, ${JSON.stringify(details)}::jsonb, ${origin}::jsonb)`;
  }
}

function caller(): AuditActor {
  const principal = currentPrincipal();
  if (principal === null) throw new Error('an audit entry outside an authenticated request must name its actor');
  const { kind, userId, credentialId, label } = principal;
  return kind === 'token' ? { kind, id: credentialId, label } : { kind: 'user', id: userId, label };
}
