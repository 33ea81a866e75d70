import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import type { Principal } from '../access/principal.types.js';
import { CLOCK, type Clock } from '../clock.js';
import { CONFIG, type Config } from '../config.js';
import { MailService } from '../mail/mail.service.js';
import { refuseUnlinking, type UnlinkRefusal } from './google.rules.js';
import { googleUnlinkedMail } from './google-mail.rules.js';
import { UnlinkingRepository } from './unlinking.repository.js';

const MAIL = 'google_unlinked';

/** Takes Google away as a way to sign in. */
@Injectable()
export class UnlinkingService implements OnModuleInit {
  constructor(
    @Inject(UnlinkingRepository) private readonly repository: UnlinkingRepository,
    @Inject(MailService) private readonly mails: MailService,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.mails.define<{ email: string }>(MAIL, ({ email }) =>
      Promise.resolve(googleUnlinkedMail(email, this.config.PUBLIC_URL)),
    );
  }

  /** Ends the user's other sessions; the caller rotates this one. Returns why it cannot be, or null when it is done. */
  async unlink({ userId, accountId, credentialId, email }: Principal): Promise<UnlinkRefusal | null> {
    const hasCodes = this.mails.isConfigured;
    const session = { userId, accountId, keptId: credentialId };
    const refusal = await this.repository.unlink(session, new Date(this.clock()), (ways) =>
      refuseUnlinking({ ...ways, hasCodes }),
    );
    if (refusal === null && this.mails.isConfigured) this.notify(email);
    return refusal;
  }

  /** It has happened, whether or not the mail goes out. */
  private notify(email: string): void {
    this.mails.enqueue(MAIL, { email }).catch((err: unknown) => this.logger.warn({ err, mail: MAIL }, 'a mail was not queued'));
  }
}
