import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { failPoint } from '@tensorloop/nest-kit/fail-points';
import type { Journal } from '../journal/journal.service.js';
import type { AcceptedRecord } from '../journal/journal.types.js';
import { closeCall, type Ending, tokensOf } from './closing.js';
import type { RedisWrites } from './redis-writes.service.js';
import type { Shipper } from './shipper.service.js';

export interface CallSettlerParts {
  journal: Journal;
  redis: RedisWrites;
  shipper: Shipper;
  /** Told of every ended call, for metrics. */
  onFinished: (event: RequestCompleted) => void;
}

/** Ends calls: price, journal, then Redis and metering. Every way out of a call leads through `finish`, exactly once. */
export class CallSettler {
  constructor(private readonly parts: CallSettlerParts) {}

  /** Resolves once the event is durable: from then on the call is charged whatever happens, and the last byte may go. */
  async finish(accepted: AcceptedRecord, ending: Ending, traceparent?: string): Promise<RequestCompleted> {
    const event = closeCall(accepted, ending);
    const payload = JSON.stringify(event);
    await this.parts.journal.complete(event, payload);
    failPoint('gateway.after_completed');
    const amountNanoUsd = BigInt(event.chargeNanoUsd);
    if (accepted.tokensCounted === undefined) void this.parts.redis.settle(event.accountTag, event.requestId, amountNanoUsd);
    else {
      const settling = { amountNanoUsd, tokens: tokensOf(ending.usage) };
      void this.parts.redis.settleWithTokens(event.accountTag, event.requestId, settling);
    }
    this.parts.shipper.ship(event.requestId, payload, traceparent);
    this.parts.onFinished(event);
    return event;
  }
}
