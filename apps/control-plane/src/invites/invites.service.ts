import { Inject, Injectable } from '@nestjs/common';
import type { Invite, InviteCreate, InviteListQuery, InviteSent } from '@tensorloop/contracts/api/members';
import { type Page, toPage } from '@tensorloop/contracts/api/pages';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { outranks } from '../access/permission.types.js';
import type { Principal } from '../access/principal.types.js';
import { CLOCK, type Clock } from '../clock.js';
import { CURSORS } from '../pages/cursor.types.js';
import { ThrottleService } from '../throttle/throttle.service.js';
import { InviteMailService } from './invite-mail.service.js';
import { toInvite } from './invites.dto.js';
import { InvitesRepository, type LockedInvites } from './invites.repository.js';
import {
  dailyWaitMs,
  type InviteRefusalCode,
  inviteExpiry,
  inviteTokenHash,
  newInviteToken,
  refuseInvite,
  resendWaitMs,
} from './invites.rules.js';
import type { StoredInvite } from './invites.types.js';

type Refused<Code> = { outcome: 'refused'; code: Code };
type Missing = { outcome: 'refused'; code: 'invite_not_found' | 'invite_not_open' | 'invite_above_role' };
export type InviteResult = (Refused<InviteRefusalCode> & { waitMs: number }) | { outcome: 'sent'; invite: InviteSent };
export type ResendResult = Missing | { outcome: 'too_soon'; waitMs: number } | { outcome: 'sent'; invite: InviteSent };
export type RevokeResult = Missing | { outcome: 'revoked' };

@Injectable()
export class InvitesService {
  constructor(
    @Inject(InvitesRepository) private readonly repository: InvitesRepository,
    @Inject(InviteMailService) private readonly mails: InviteMailService,
    @Inject(ThrottleService) private readonly throttle: ThrottleService,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async create(principal: Principal, { email, role }: InviteCreate): Promise<InviteResult> {
    const nowMs = this.clock();
    const token = newInviteToken();
    const made = await this.change(principal.accountId, new Date(nowMs), async (invites, takeMail) => {
      const account = await invites.describe(email);
      const code = refuseInvite(account, { own: principal.role, wanted: role });
      if (code !== null) return { outcome: 'refused', code, waitMs: dailyWaitMs(account, nowMs) } as const;
      await takeMail(email);
      const terms = { email, role, invitedBy: principal.userId, createdAt: new Date(nowMs), expiresAt: inviteExpiry(nowMs) };
      const invite = await invites.insert({ ...terms, id: uuid7(nowMs), tokenHash: inviteTokenHash(token) });
      const made = toInvite({ invite, inviterEmail: principal.email }, nowMs);
      await invites.recordAnswer(unsent(made));
      return { outcome: 'made', invite: made } as const;
    });
    return made.outcome === 'refused' ? made : this.send(principal.accountId, made.invite, token);
  }

  async list(accountId: string, { cursor, limit, include }: InviteListQuery): Promise<Page<Invite>> {
    const nowMs = this.clock();
    const page = { after: CURSORS.invites.read(cursor), limit: limit + 1, includesInactive: include === 'inactive' };
    const rows = await this.repository.listInvites(accountId, page);
    return toPage(rows, limit, {
      cursorOf: ({ invite }) => CURSORS.invites.write(invite.id),
      toItem: (row) => toInvite(row, nowMs),
    });
  }

  /** A new token and a new expiry: the link of the older mail opens nothing more. */
  async resend(principal: Principal, id: string): Promise<ResendResult> {
    const nowMs = this.clock();
    const token = newInviteToken();
    const made = await this.change(principal.accountId, new Date(nowMs), async (invites, takeMail) => {
      const found = await findOpen(invites, principal, id);
      if ('outcome' in found) return found;
      const waitMs = resendWaitMs(found, nowMs);
      if (waitMs > 0) return { outcome: 'too_soon', waitMs } as const;
      await takeMail(found.email);
      const change = { tokenHash: inviteTokenHash(token), expiresAt: inviteExpiry(nowMs) };
      const invite = await invites.renew(found, change);
      const renewed = toInvite({ invite, inviterEmail: principal.email }, nowMs);
      await invites.recordAnswer(unsent(renewed));
      return { outcome: 'made', invite: renewed } as const;
    });
    return made.outcome === 'made' ? this.send(principal.accountId, made.invite, token) : made;
  }

  revoke(principal: Principal, id: string): Promise<RevokeResult> {
    return this.repository.withLockedAccount(principal.accountId, new Date(this.clock()), async (invites) => {
      const found = await findOpen(invites, principal, id);
      if ('outcome' in found) return found;
      await invites.revoke(found);
      return { outcome: 'revoked' };
    });
  }

  /**
   * `takeMail` counts the mail that would tell of the invitation, and throws mail_throttled. Where the change fails after that,
   * there is no mail: what an address may be sent is everybody's, and not used up by what was never made.
   */
  private async change<T>(
    accountId: string,
    now: Date,
    work: (invites: LockedInvites, takeMail: (email: string) => Promise<void>) => Promise<T>,
  ): Promise<T> {
    let taken: string | null = null;
    const takeMail = async (email: string) => {
      if (!this.mails.isConfigured) return;
      await this.throttle.takeMail(email, 'invite');
      taken = email;
    };
    try {
      return await this.repository.withLockedAccount(accountId, now, (invites) => work(invites, takeMail));
    } catch (err) {
      if (taken !== null) await this.throttle.giveMailBack(taken, 'invite');
      throw err;
    }
  }

  private async send(accountId: string, invite: Invite, token: string): Promise<{ outcome: 'sent'; invite: InviteSent }> {
    const sent = await this.mails.send({ accountId, inviteId: invite.id, token });
    if (sent.isMailed) await this.amendAnswer(accountId, { ...invite, ...sent });
    return { outcome: 'sent', invite: { ...invite, ...sent } };
  }

  /** Invitation and mail are on their way: if only this fails, a repetition is told that no mail went out, and nothing worse. */
  private async amendAnswer(accountId: string, answer: InviteSent): Promise<void> {
    try {
      await this.repository.amendAnswer(accountId, answer);
    } catch (err) {
      this.logger.warn({ err, inviteId: answer.id }, 'a repetition will not be told that an invitation was mailed');
    }
  }
}

/** As a repetition is answered: the link is shown once, and whether a mail went out is not known yet. */
function unsent(invite: Invite): InviteSent {
  return { ...invite, isMailed: false, link: null };
}

async function findOpen(invites: LockedInvites, { role }: Principal, id: string): Promise<StoredInvite | Missing> {
  const invite = await invites.find(id);
  if (invite === null) return { outcome: 'refused', code: 'invite_not_found' };
  if (!outranks(role, invite.role)) return { outcome: 'refused', code: 'invite_above_role' };
  const isOver = invite.acceptedAt !== null || invite.revokedAt !== null;
  return isOver ? { outcome: 'refused', code: 'invite_not_open' } : invite;
}
