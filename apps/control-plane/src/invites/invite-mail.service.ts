import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { CLOCK, type Clock } from '../clock.js';
import { CONFIG, type Config } from '../config.js';
import { MailService } from '../mail/mail.service.js';
import { type MailContent, MailUnavailableError } from '../mail/mail.types.js';
import { inviteMail } from './invite-mail.rules.js';
import { InvitesRepository } from './invites.repository.js';
import { inviteLink, inviteStatus, inviteTokenHash } from './invites.rules.js';
import type { InviteMail } from './invites.types.js';

const MAIL = 'invite';

@Injectable()
export class InviteMailService implements OnModuleInit {
  constructor(
    @Inject(MailService) private readonly mails: MailService,
    @Inject(InvitesRepository) private readonly repository: InvitesRepository,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.mails.define<InviteMail>(MAIL, (mail) => this.compose(mail));
  }

  /** Whether addresses can be proven at all. */
  get isConfigured(): boolean {
    return this.mails.isConfigured;
  }

  /** Where no mail can be sent, the link is the inviter's to hand over. */
  async send(mail: InviteMail): Promise<{ isMailed: boolean; link: string | null }> {
    if (this.mails.isConfigured) {
      try {
        await this.mails.enqueue(MAIL, mail);
        return { isMailed: true, link: null };
      } catch (err) {
        if (!(err instanceof MailUnavailableError)) throw err;
        this.logger.warn({ err, inviteId: mail.inviteId }, 'the mail of an invitation was not queued');
      }
    }
    return { isMailed: false, link: inviteLink(this.config.PUBLIC_URL, mail.token) };
  }

  /** Null when there is nothing to send any more: revoked, accepted, or sent again with another token since. */
  private async compose({ accountId, inviteId, token }: InviteMail): Promise<MailContent | null> {
    const found = await this.repository.findForMail(accountId, inviteId);
    if (found === null || found.inviterEmail === null || found.tokenHash !== inviteTokenHash(token)) return null;
    if (inviteStatus(found.invite, this.clock()) !== 'open') return null;
    const { invite, inviterEmail, accountName } = found;
    const url = inviteLink(this.config.PUBLIC_URL, token);
    return inviteMail({ to: invite.email, accountName, role: invite.role, inviterEmail, url });
  }
}
