import type { AdmissionClient } from '@tensorloop/admission/admission-client';
import type { AccountSettled, GatewaySettled } from '@tensorloop/contracts/settle-ack';
import type { Journal } from '../journal/journal.js';
import type { RedisWrites } from './redis-writes.js';
import type { Shipper } from './shipper.js';

export interface SettleAcksParts {
  admission: AdmissionClient;
  journal: Journal;
  redis: RedisWrites;
  shipper: Shipper;
  onProblem: (error: unknown) => void;
}

/**
 * Applies metering's settle-acks: first Redis (total raised and pending amount removed in one script), and only then does the
 * journal entry go. When Redis is away the ack is dropped; the call is published again later and acknowledged again.
 */
export class SettleAcks {
  constructor(private readonly parts: SettleAcksParts) {}

  async apply(settled: GatewaySettled): Promise<void> {
    await Promise.all(settled.accounts.map((account) => this.applyAccount(account)));
  }

  private async applyAccount(account: AccountSettled): Promise<void> {
    const { admission, journal, redis, shipper, onProblem } = this.parts;
    try {
      await admission.acknowledge(account);
    } catch (error) {
      onProblem(error);
      return;
    }
    for (const requestId of account.requestIds) {
      redis.forget(requestId);
      shipper.forget(requestId);
    }
    journal.acknowledge(account.requestIds);
  }
}
