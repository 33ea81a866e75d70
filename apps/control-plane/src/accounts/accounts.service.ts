import { Inject, Injectable } from '@nestjs/common';
import {
  ACCOUNTS_OWNED_MAX,
  ACCOUNTS_PER_USER_MAX,
  type Account,
  type AccountMembership,
  DELETION_GRACE_DAYS,
} from '@tensorloop/contracts/api/accounts';
import { type Page, type PageQuery, toPage } from '@tensorloop/contracts/api/pages';
import type { Me } from '@tensorloop/contracts/dashboard-api';
import { newAccountTag } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { requireVersion } from '@tensorloop/nest-kit/if-match';
import type { Principal } from '../access/principal.types.js';
import { CLOCK, type Clock } from '../clock.js';
import { CURSORS } from '../pages/cursor.types.js';
import { ProjectionService } from '../projection/projection.service.js';
import { UsersService } from '../users/users.service.js';
import { toAccount, toMe, toMembership } from './accounts.dto.js';
import { AccountsRepository, type LockedAccount } from './accounts.repository.js';

const DAY_MS = 86_400_000;
/** Two accounts draw the same tag of 62^8 once in a blue moon; then another is drawn. */
const TAG_ATTEMPTS_MAX = 3;

export type CreateResult =
  | { outcome: 'created'; account: Account }
  | { outcome: 'refused'; code: 'accounts_owned_limit_reached' | 'accounts_limit_reached' };
export interface DeletionResult {
  account: Account;
  /** Whether Redis holds it for every key. */
  isInForce: boolean;
}

@Injectable()
export class AccountsService {
  constructor(
    @Inject(AccountsRepository) private readonly repository: AccountsRepository,
    @Inject(UsersService) private readonly users: UsersService,
    @Inject(ProjectionService) private readonly projection: ProjectionService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async getMe(accountId: string, userId: string): Promise<Me> {
    return toMe(await this.repository.getSelf(accountId, userId));
  }

  /** What the members of every account of the user are shown. */
  async setOwnName({ accountId, userId, credentialId: id }: Principal, name: string): Promise<Me> {
    const me = await this.getMe(accountId, userId);
    if (me.user.name === name) return me;
    await this.users.setName(me.user, name, { id, accountId });
    return this.getMe(accountId, userId);
  }

  async get(accountId: string): Promise<Account> {
    return toAccount(await this.repository.getAccount(accountId));
  }

  /** Accounts that the user belongs to. */
  async list(userId: string, currentAccountId: string, { cursor, limit }: PageQuery): Promise<Page<AccountMembership>> {
    const rows = await this.repository.listAccounts(userId, { after: CURSORS.accounts.read(cursor), limit: limit + 1 });
    return toPage(rows, limit, {
      cursorOf: ({ id }) => CURSORS.accounts.write(id),
      toItem: (account) => toMembership(account, currentAccountId),
    });
  }

  /** A further account, on the plan of fresh ones, owned by the user. */
  async create(userId: string, name: string): Promise<CreateResult> {
    for (let attempt = 0; attempt < TAG_ATTEMPTS_MAX; attempt++) {
      const fresh = { accountId: uuid7(this.clock()), tag: newAccountTag(), name, userId };
      const created = await this.repository.createAccount(fresh, { decide: refuseAnother, toAnswer: toAccount });
      if (created === false) continue;
      return typeof created === 'string'
        ? { outcome: 'refused', code: created }
        : { outcome: 'created', account: toAccount(created) };
    }
    throw new Error('no account tag was free');
  }

  /** Throws 412 when `seen` is another version than the account's. */
  rename(accountId: string, name: string, seen: number | null): Promise<Account> {
    return this.repository.withLockedAccount(accountId, this.clock(), async ({ account, rename }) => {
      requireVersion(account.version, seen);
      return toAccount(account.name === name ? account : await rename(name));
    });
  }

  /** Keys stop at once and everything is erased when the grace is over; until then it can be taken back. */
  requestDeletion(accountId: string): Promise<DeletionResult> {
    const deleteAfter = new Date(this.clock() + DELETION_GRACE_DAYS * DAY_MS);
    return this.changeDeletion(accountId, ({ account, setDeletion }) =>
      account.deleteAfter === null ? setDeletion(deleteAfter) : null,
    );
  }

  restore(accountId: string): Promise<DeletionResult> {
    return this.changeDeletion(accountId, ({ account, setDeletion }) =>
      account.deleteAfter === null ? null : setDeletion(null),
    );
  }

  /** Where there is nothing to change, what was not delivered yet is: whoever saw 503 repeats the request. */
  private async changeDeletion(
    accountId: string,
    change: (locked: LockedAccount) => ReturnType<LockedAccount['setDeletion']> | null,
  ): Promise<DeletionResult> {
    const { account, pending } = await this.repository.withLockedAccount(
      accountId,
      this.clock(),
      async (locked) => (await change(locked)) ?? { account: locked.account, pending: await locked.listUndelivered() },
    );
    return { account: toAccount(account), isInForce: await this.projection.deliverAll(pending) };
  }
}

function refuseAnother({ owned, total }: { owned: number; total: number }) {
  if (owned >= ACCOUNTS_OWNED_MAX) return 'accounts_owned_limit_reached' as const;
  return total >= ACCOUNTS_PER_USER_MAX ? ('accounts_limit_reached' as const) : null;
}
