import { Inject, Injectable } from '@nestjs/common';
import type { Me } from '@tensorloop/contracts/dashboard-api';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import type { Principal } from '../access/principal.types.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { AccountsRepository } from './accounts.repository.js';
import { AccountsService } from './accounts.service.js';

export type SwitchResult =
  | { outcome: 'switched'; token: string; me: Me }
  | { outcome: 'not_found' }
  | { outcome: 'session_over' };

/** Lets a session act for another account of its user. */
@Injectable()
export class AccountSwitchService {
  constructor(
    @Inject(AccountsRepository) private readonly repository: AccountsRepository,
    @Inject(AccountsService) private readonly accounts: AccountsService,
    @Inject(SessionsService) private readonly sessions: SessionsService,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** The session goes on under a new token, because what it may do has changed. */
  async switchTo({ userId, credentialId }: Principal, accountId: string): Promise<SwitchResult> {
    if (!(await this.repository.recordSwitch(accountId, userId))) return { outcome: 'not_found' };
    // Last: whoever is not told of the new token has no session any more.
    const me = await this.accounts.getMe(accountId, userId);
    const token = await this.sessions.rotate({ userId, credentialId, accountId });
    return token === null ? { outcome: 'session_over' } : { outcome: 'switched', token, me };
  }

  /**
   * After what has happened already and stays: null when the session cannot act for the account, whatever the reason. The caller
   * must be told of the first, and a problem here would say that nothing was changed.
   */
  async switchAfter(principal: Principal, accountId: string): Promise<{ token: string; me: Me } | null> {
    try {
      const result = await this.switchTo(principal, accountId);
      return result.outcome === 'switched' ? result : null;
    } catch (err) {
      this.logger.warn({ err, accountId }, 'a session could not act for the account that its user just joined');
      return null;
    }
  }
}
