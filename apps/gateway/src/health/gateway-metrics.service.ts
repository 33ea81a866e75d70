import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { LATENCY_SECONDS_BUCKETS, type Metrics, OVERHEAD_SECONDS_BUCKETS } from '@tensorloop/observability/metrics';
import type { ApiError } from '../errors/api-error.types.js';

const MS_PER_SECOND = 1_000;

/** Sizes read at each scrape. */
export interface GatewayGauges {
  openCalls: () => number;
  asking: () => number;
  unacknowledged: () => number;
  waitingForRedis: () => number;
  journalEntries: () => number;
  journalBytes: () => number;
}

/** The gateway's own metrics. No label ever takes a value from a client: series must stay countable. */
export class GatewayMetrics {
  private readonly calls;
  private readonly latency;
  private readonly firstByte;
  private readonly admission;
  private readonly refusals;
  private readonly overrun;
  private readonly estimated;

  constructor(metrics: Metrics) {
    this.calls = metrics.counter({
      name: 'tensorloop_gateway_calls_total',
      help: 'Admitted calls that ended, by outcome.',
      labels: ['outcome'],
    });
    this.refusals = metrics.counter({
      name: 'tensorloop_gateway_refusals_total',
      help: 'Calls refused before admission or by it, by error code.',
      labels: ['code'],
    });
    this.admission = metrics.histogram({
      name: 'tensorloop_gateway_admission_seconds',
      help: 'Arrival of a call whole to its admission: what the gateway adds before the upstream is asked.',
      buckets: OVERHEAD_SECONDS_BUCKETS,
    });
    this.latency = metrics.histogram({
      name: 'tensorloop_gateway_call_seconds',
      help: 'Admission to durable end of a call.',
      buckets: LATENCY_SECONDS_BUCKETS,
    });
    this.firstByte = metrics.histogram({
      name: 'tensorloop_gateway_first_byte_seconds',
      help: 'Admission to first byte to the client.',
      buckets: LATENCY_SECONDS_BUCKETS,
    });
    this.estimated = metrics.counter({
      name: 'tensorloop_gateway_estimated_calls_total',
      help: 'Calls whose usage was counted here, because the upstream reported none.',
    });
    this.overrun = metrics.counter({
      name: 'tensorloop_gateway_overrun_calls_total',
      help: 'Calls that cost more than was held: the platform pays the rest. Alarm on any.',
    });
  }

  watch(metrics: Metrics, gauges: GatewayGauges): void {
    const gauge = (name: string, help: string, read: () => number) =>
      metrics.gauge({ name, help, collect: (self) => self.set(read()) });
    gauge('tensorloop_gateway_open_calls', 'Calls between admission and end.', gauges.openCalls);
    gauge('tensorloop_gateway_asking_calls', 'Calls that ask Redis to be admitted, or wait to.', gauges.asking);
    gauge('tensorloop_gateway_unacknowledged_calls', 'Ended calls that metering has not acknowledged.', gauges.unacknowledged);
    gauge('tensorloop_gateway_redis_writes_waiting', 'Settlements and releases that wait for Redis.', gauges.waitingForRedis);
    gauge(
      'tensorloop_gateway_journal_entries',
      'Calls in the journal: open, or ended and not acknowledged.',
      gauges.journalEntries,
    );
    gauge('tensorloop_gateway_journal_bytes', 'Bytes of the journal on the disk.', gauges.journalBytes);
  }

  finished(event: RequestCompleted): void {
    this.calls.inc({ outcome: event.outcome });
    this.latency.observe(event.latencyMs / MS_PER_SECOND);
    if (event.firstByteMs !== null) this.firstByte.observe(event.firstByteMs / MS_PER_SECOND);
    if (event.estimated) this.estimated.inc();
    if (event.overrunNanoUsd !== '0') this.overrun.inc();
  }

  admitted(seconds: number): void {
    this.admission.observe(seconds);
  }

  refused(error: ApiError): void {
    this.refusals.inc({ code: error.body.error.code ?? 'none' });
  }
}
