import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '@tensorloop/nest-kit/clock';
import { BATCH_SIZE_BUCKETS, LATENCY_SECONDS_BUCKETS, Metrics } from '@tensorloop/observability/metrics';
import type { Booking } from './booking.service.js';
import { QUARANTINE_REASONS, type QuarantineReason } from './ingest.types.js';

const MS_PER_SECOND = 1_000;

@Injectable()
export class IngestMetrics {
  private readonly batches;
  private readonly batchSize;
  private readonly failures;
  private readonly booked;
  private readonly duplicates;
  private readonly corrected;
  private readonly quarantined;
  private readonly overrun;
  private readonly commitSeconds;
  private readonly lagSeconds;

  constructor(
    @Inject(Metrics) metrics: Metrics,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    this.batches = metrics.counter({ name: 'metering_batches_total', help: 'Batches taken from the stream' });
    this.batchSize = metrics.histogram({
      name: 'metering_batch_events',
      help: 'Events per batch',
      buckets: BATCH_SIZE_BUCKETS,
    });
    this.failures = metrics.counter({ name: 'metering_batch_failures_total', help: 'Batches given back for redelivery' });
    this.booked = metrics.counter({ name: 'metering_events_booked_total', help: 'Calls booked' });
    this.duplicates = metrics.counter({ name: 'metering_events_duplicate_total', help: 'Events of calls booked before' });
    this.corrected = metrics.counter({
      name: 'metering_estimates_corrected_total',
      help: 'Calls booked as estimates whose true end arrived afterwards',
    });
    this.quarantined = metrics.counter<'reason'>({
      name: 'metering_quarantined_total',
      help: 'Events quarantined',
      labels: ['reason'],
    });
    this.overrun = metrics.counter({
      name: 'metering_overrun_nano_usd_total',
      help: 'Cost above the holds, borne by the platform',
    });
    this.commitSeconds = metrics.histogram({
      name: 'metering_commit_seconds',
      help: 'From taking a batch to its COMMIT',
      buckets: LATENCY_SECONDS_BUCKETS,
    });
    this.lagSeconds = metrics.histogram({
      name: 'metering_admission_to_commit_seconds',
      help: "From a call's admission to its COMMIT, the call itself included",
      buckets: LATENCY_SECONDS_BUCKETS,
    });
    // An alert on the increase of a counter needs the counter to be there before the first increase.
    for (const reason of QUARANTINE_REASONS) this.quarantined.inc({ reason }, 0);
  }

  tookBatch(events: number): void {
    this.batches.inc();
    this.batchSize.observe(events);
  }

  committed(booking: Booking, elapsedMs: number): void {
    this.commitSeconds.observe(elapsedMs / MS_PER_SECOND);
    this.booked.inc(booking.booked.length);
    this.duplicates.inc(booking.duplicates);
    this.corrected.inc(booking.corrected.length);
    for (const { reason } of booking.quarantined) this.quarantined.inc({ reason } satisfies { reason: QuarantineReason });
    const nowMs = this.clock();
    for (const { event } of booking.booked) {
      this.lagSeconds.observe(Math.max(0, nowMs - event.admittedAtMs) / MS_PER_SECOND);
      // A metric and not money: the usage row has the exact amount, a float is good enough to alarm on.
      if (event.overrunNanoUsd !== '0') this.overrun.inc(Number(event.overrunNanoUsd));
    }
  }

  failed(): void {
    this.failures.inc();
  }
}
