import { Inject, Injectable } from '@nestjs/common';
import type { Me } from '@tensorloop/contracts/dashboard-api';
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
  ) {}

  /** The session goes on under a new token, because what it may do has changed. */
  async switchTo({ userId, credentialId }: Principal, accountId: string): Promise<SwitchResult> {
    if (!(await this.repository.recordSwitch(accountId, userId))) return { outcome: 'not_found' };
    const token = await this.sessions.rotate({ userId, credentialId, accountId });
    if (token === null) return { outcome: 'session_over' };
    return { outcome: 'switched', token, me: await this.accounts.getMe(accountId, userId) };
  }
}
