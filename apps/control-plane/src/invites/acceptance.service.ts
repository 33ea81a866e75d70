import { Inject, Injectable } from '@nestjs/common';
import { ACCOUNTS_PER_USER_MAX } from '@tensorloop/contracts/api/accounts';
import type { InviteAccepted, InviteOffer } from '@tensorloop/contracts/api/members';
import type { Me } from '@tensorloop/contracts/dashboard-api';
import type { Principal } from '../access/principal.types.js';
import { AccountSwitchService } from '../accounts/account-switch.service.js';
import { CLOCK, type Clock } from '../clock.js';
import { LiveEvents } from '../events/live-events.service.js';
import { AcceptanceRepository, type PresentedInvite } from './acceptance.repository.js';
import { InviteMailService } from './invite-mail.service.js';
import {
  type AcceptRefusalCode,
  inviteTokenHash,
  type OfferRefusalCode,
  refuseAcceptance,
  refuseOffer,
} from './invites.rules.js';

type Refused<Code = AcceptRefusalCode> = { outcome: 'refused'; code: Code };
export type OfferResult = Refused<OfferRefusalCode> | { outcome: 'offered'; offer: InviteOffer };
export type AcceptResult = Refused | { outcome: 'accepted'; accepted: Omit<InviteAccepted, 'me'> };

/** What the person with the link sees and does. */
@Injectable()
export class AcceptanceService {
  constructor(
    @Inject(AcceptanceRepository) private readonly repository: AcceptanceRepository,
    @Inject(InviteMailService) private readonly mails: InviteMailService,
    @Inject(AccountSwitchService) private readonly switching: AccountSwitchService,
    @Inject(LiveEvents) private readonly events: LiveEvents,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** What is asked of whoever has the token; refused in the words of accepting, and alike for all that is not open. */
  async look(token: string): Promise<OfferResult> {
    const offered = await this.repository.findOffered(inviteTokenHash(token));
    const code = offered === null ? 'invite_invalid' : refuseOffer(offered, this.clock());
    if (offered === null || code !== null) return { outcome: 'refused', code: code ?? 'invite_invalid' };
    const { invite, accountName, inviterEmail } = offered;
    const { accountId, role, email } = invite;
    const expiresAt = invite.expiresAt.toISOString();
    return { outcome: 'offered', offer: { accountId, accountName, role, email, invitedBy: inviterEmail, expiresAt } };
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

  /** Null when the session is over, or the membership, in this very moment: what was accepted stays so. */
  switchTo(principal: Principal, accountId: string): Promise<{ token: string; me: Me } | null> {
    return this.switching.switchAfter(principal, accountId);
  }

  private refuse(presented: PresentedInvite | null): AcceptRefusalCode | null {
    if (presented === null) return 'invite_invalid';
    const acceptance = { ...presented, isVerificationPossible: this.mails.isConfigured };
    return refuseAcceptance(acceptance, { membershipsMax: ACCOUNTS_PER_USER_MAX, nowMs: this.clock() });
  }
}
