import { Inject, Injectable } from '@nestjs/common';
import { ACCOUNTS_PER_USER_MAX } from '@tensorloop/contracts/api/accounts';
import type { InviteAccepted, InviteOffer } from '@tensorloop/contracts/api/members';
import { CLOCK, type Clock } from '../clock.js';
import { LiveEvents } from '../events/live-events.service.js';
import { AcceptanceRepository, type PresentedInvite } from './acceptance.repository.js';
import { InviteMailService } from './invite-mail.service.js';
import { type AcceptRefusalCode, inviteTokenHash, refuseAcceptance } from './invites.rules.js';

type Refused = { outcome: 'refused'; code: AcceptRefusalCode };
export type OfferResult = Refused | { outcome: 'offered'; offer: InviteOffer };
export type AcceptResult = Refused | { outcome: 'accepted'; accepted: InviteAccepted };

/** What the person with the link sees and does. */
@Injectable()
export class AcceptanceService {
  constructor(
    @Inject(AcceptanceRepository) private readonly repository: AcceptanceRepository,
    @Inject(InviteMailService) private readonly mails: InviteMailService,
    @Inject(LiveEvents) private readonly events: LiveEvents,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** What accepting would come to; refused with the same words as accepting. */
  look(userId: string, token: string): Promise<OfferResult> {
    return this.repository.withPresented({ tokenHash: inviteTokenHash(token), userId }, async (presented) => {
      const code = this.refuse(presented);
      if (presented === null || code !== null) return { outcome: 'refused', code: code ?? 'invite_invalid' };
      const { invite, accountName } = presented;
      const { accountId, role, email } = invite;
      return { outcome: 'offered', offer: { accountId, accountName, role, email, expiresAt: invite.expiresAt.toISOString() } };
    });
  }

  async accept(userId: string, token: string): Promise<AcceptResult> {
    const tokenHash = inviteTokenHash(token);
    const result = await this.repository.withPresented({ tokenHash, userId }, async (presented): Promise<AcceptResult> => {
      const code = this.refuse(presented);
      if (presented === null || code !== null) return { outcome: 'refused', code: code ?? 'invite_invalid' };
      await presented.accept(new Date(this.clock()));
      const { invite, accountName } = presented;
      return { outcome: 'accepted', accepted: { accountId: invite.accountId, accountName, role: invite.role } };
    });
    // The session acts for another account still, which is the one that is told of what its requests change.
    if (result.outcome === 'accepted') this.events.publish(result.accepted.accountId, 'members');
    return result;
  }

  private refuse(presented: PresentedInvite | null): AcceptRefusalCode | null {
    if (presented === null) return 'invite_invalid';
    const acceptance = { ...presented, isVerificationPossible: this.mails.isConfigured };
    return refuseAcceptance(acceptance, { membershipsMax: ACCOUNTS_PER_USER_MAX, nowMs: this.clock() });
  }
}
