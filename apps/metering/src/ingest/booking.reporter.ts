import { Inject, Injectable } from '@nestjs/common';
import { failPoint } from '@tensorloop/nest-kit/fail-points';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import type { Booking } from './booking.service.js';
import { IngestMetrics } from './ingest.metrics.js';
import { SettlementPublisher } from './settlement.publisher.js';

/** Tells the outside what was committed: gateways, metrics, the log. */
@Injectable()
export class BookingReporter {
  constructor(
    private readonly settlements: SettlementPublisher,
    private readonly metrics: IngestMetrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** After COMMIT and before the stream's acknowledgement: should we die in between, the redelivery settles again. */
  committed(booking: Booking, elapsedMs: number): void {
    failPoint('metering.after_commit');
    this.metrics.committed(booking, elapsedMs);
    for (const { reason, detail, requestId, message } of booking.quarantined) {
      this.logger.error({ reason, detail, requestId, streamSequence: message.streamSequence }, 'quarantined an event');
    }
    for (const { event, chargeNanoUsd } of booking.corrected) {
      this.logger.info({ requestId: event.requestId, addedNanoUsd: chargeNanoUsd.toString() }, 'corrected an estimate');
    }
    this.settlements.publish(booking.settlements);
    failPoint('metering.after_settle_ack');
  }

  took(events: number): void {
    this.metrics.tookBatch(events);
  }

  failed(): void {
    this.metrics.failed();
  }
}
