import type { AdmissionClient } from '@tensorloop/admission/admission-client';
import type { AccountSettled, GatewaySettled } from '@tensorloop/contracts/settle-ack';
import { failPoint } from '@tensorloop/nest-kit/fail-points';
import type { Journal } from '../journal/journal.service.js';
import type { RedisWrites } from './redis-writes.service.js';
import type { Shipper } from './shipper.service.js';

/** Acknowledgements that Redis did not take are tried again this often. */
export const ACK_RETRY_MS = 500;
/** Acknowledgements that may wait for Redis. Above it they are dropped, and come again when the call is published again. */
export const ACKS_WAITING_MAX = 10_000;

export interface SettleAcksParts {
  admission: Pick<AdmissionClient, 'acknowledge'>;
  journal: Pick<Journal, 'acknowledge' | 'noteCommitted'>;
  redis: Pick<RedisWrites, 'forget'>;
  shipper: Pick<Shipper, 'forget' | 'noteTakesBatches'>;
  onProblem: (error: unknown) => void;
}

/**
 * Applies metering's settle-acks: first Redis (total raised and pending amount removed in one script), and only then does the
 * journal entry go. While Redis is away they wait: a call that is published again within the stream's duplicate window
 * never reaches metering, so an ack that was dropped would come again only minutes later. They are idempotent, and an old
 * total never replaces a newer one, so the order in which they are applied does not matter.
 */
export class SettleAcks {
  private waiting: AccountSettled[] = [];
  private timer: NodeJS.Timeout | null = null;
  private isRedisAway = false;

  constructor(private readonly parts: SettleAcksParts) {}

  async apply(settled: GatewaySettled): Promise<void> {
    this.parts.shipper.noteTakesBatches(settled.takesBatches === true);
    await Promise.all(settled.accounts.map((account) => this.applyAccount(account)));
  }

  private async applyAccount(account: AccountSettled): Promise<boolean> {
    const { admission, journal, redis, shipper, onProblem } = this.parts;
    journal.noteCommitted(account.requestIds);
    try {
      failPoint('gateway.before_settle_ack_applied');
      await admission.acknowledge(account);
      failPoint('gateway.after_settle_ack_applied');
    } catch (error) {
      // One line per outage and not one per message or attempt.
      if (!this.isRedisAway) onProblem(error);
      this.isRedisAway = true;
      this.applyLater(account);
      return false;
    }
    this.isRedisAway = false;
    for (const requestId of account.requestIds) {
      redis.forget(requestId);
      shipper.forget(requestId);
    }
    journal.acknowledge(account.requestIds);
    return true;
  }

  private applyLater(account: AccountSettled): void {
    if (this.waiting.length < ACKS_WAITING_MAX) this.waiting.push(account);
    if (this.timer !== null) return;
    this.timer = setTimeout(() => void this.retry(), ACK_RETRY_MS);
    this.timer.unref();
  }

  /** One after the other, until one fails: that one and those behind it wait on. */
  private async retry(): Promise<void> {
    const due = this.waiting;
    this.waiting = [];
    for (const [index, account] of due.entries()) {
      if (await this.applyAccount(account)) continue;
      this.waiting.push(...due.slice(index + 1, index + 1 + ACKS_WAITING_MAX - this.waiting.length));
      break;
    }
    this.timer = null;
    const [first] = this.waiting.splice(0, 1);
    if (first !== undefined) this.applyLater(first);
  }
}
