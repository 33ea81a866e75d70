import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { AccountChanged, ChangeKind } from '@tensorloop/contracts/account-changed';
import { accountChangedSubject } from '@tensorloop/contracts/subjects';
import { NatsLink } from '@tensorloop/messaging/connection';

/** Changes of one account are gathered for so long: it is told of at most twice a second, however many calls it makes. */
export const GATHER_MS = 500;
/** Accounts gathered at once; then they are told of early. */
export const ACCOUNTS_GATHERED_MAX = 10_000;

/** Publishes that accounts changed, after COMMIT. Best effort: a message that is lost costs a screen its freshness, and nothing else. */
@Injectable()
export class LiveService implements OnModuleDestroy {
  private readonly changed = new Map<string, Set<ChangeKind>>();
  private timer: NodeJS.Timeout | null = null;

  constructor(@Inject(NatsLink) private readonly link: NatsLink) {}

  note(accountIds: Iterable<string>, ...kinds: readonly ChangeKind[]): void {
    for (const accountId of accountIds) {
      const gathered = this.changed.get(accountId) ?? new Set();
      for (const kind of kinds) gathered.add(kind);
      this.changed.set(accountId, gathered);
      if (this.changed.size >= ACCOUNTS_GATHERED_MAX) this.tell();
    }
    if (this.changed.size > 0) this.timer ??= setTimeout(() => this.tell(), GATHER_MS).unref();
  }

  onModuleDestroy(): void {
    this.tell();
  }

  private tell(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    const connection = this.link.isConnected ? this.link.current : null;
    for (const [accountId, kinds] of this.changed) {
      const message: AccountChanged = { v: 1, kinds: [...kinds] };
      connection?.publish(accountChangedSubject(accountId), JSON.stringify(message));
    }
    this.changed.clear();
  }
}
