import { Inject, Injectable } from '@nestjs/common';
import { ControlClient } from '@tensorloop/db/control-client';
import { AuditTrail } from '../audit/audit.trail.js';
import type { WaysIn } from './google.rules.js';
import { GOOGLE_ISSUER } from './google.types.js';

/** Whose identity it is, and the session that stays. */
export interface UnlinkingSession {
  userId: string;
  accountId: string;
  keptId: string;
}

@Injectable()
export class UnlinkingRepository {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {}

  /**
   * Identity, other sessions and audit entry, all or none. `decide` sees the ways in while the user's row is locked, so that
   * no other request takes away what is left; what it returns other than null is the refusal.
   */
  unlink<Refusal>(
    { userId, accountId, keptId }: UnlinkingSession,
    now: Date,
    decide: (ways: Omit<WaysIn, 'hasCodes'>) => Refusal | null,
  ): Promise<Refusal | null> {
    const issuer = GOOGLE_ISSUER;
    return this.control.within({ userId, accountId }, async (tx) => {
      await tx.$queryRaw`SELECT FROM control.users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`;
      const user = await tx.user.findUniqueOrThrow({ where: { id: userId }, select: { passwordHash: true } });
      const hasGoogle = (await tx.identity.count({ where: { userId, issuer } })) > 0;
      const refusal = decide({ hasGoogle, hasPassword: user.passwordHash !== null });
      if (refusal !== null) return refusal;
      await tx.identity.deleteMany({ where: { userId, issuer } });
      const others = { userId, revokedAt: null, id: { not: keptId } };
      const { count } = await tx.session.updateMany({ where: others, data: { revokedAt: now } });
      const details = { issuer, ended: { sessions: count } };
      const subject = { kind: 'user', id: userId };
      await this.audit.append(tx, { accountId, action: 'user.identity_unlinked', subject, details });
      return null;
    });
  }
}
