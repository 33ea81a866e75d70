import type { NatsConnection } from '@nats-io/transport-node';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { METERING_CONSUMER, REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import { NatsLink } from '@tensorloop/messaging/connection';
import {
  type BatchConsumer,
  type BatchConsumerEvent,
  type BatchMessage,
  startBatchConsumer,
} from '@tensorloop/messaging/consumer';
import { ensureMeteringConsumer, ensureRequestsStream, jetstreamManager } from '@tensorloop/messaging/streams';
import { readTraceparent } from '@tensorloop/messaging/trace-context';
import { failPoint } from '@tensorloop/nest-kit/fail-points';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import type { TraceSpan, Tracing } from '@tensorloop/observability/tracing';
import { TRACING } from '../tracing.types.js';
import { toIncoming } from './batch-message.rules.js';
import { BookingReporter } from './booking.reporter.js';
import { IngestService } from './ingest.service.js';

/** The edge to the stream: batches in, settle-acks out. Decides nothing. */
@Injectable()
export class IngestConsumer implements OnApplicationBootstrap, OnModuleDestroy {
  private consumer: BatchConsumer | undefined;
  private isStopping = false;

  constructor(
    private readonly ingest: IngestService,
    private readonly reporter: BookingReporter,
    @Inject(NatsLink) private readonly link: NatsLink,
    @Inject(TRACING) private readonly tracing: Tracing,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Does not wait for NATS: the service starts without it and says in its health that it is not consuming. */
  onApplicationBootstrap(): void {
    this.link.ready.then(
      (connection) => this.start(connection),
      () => {},
    );
  }

  /** Finishes the batch in hand; what was not begun goes back to the stream at once. */
  async onModuleDestroy(): Promise<void> {
    this.isStopping = true;
    await this.consumer?.stop();
  }

  /** For the health check. */
  get isReceiving(): boolean {
    return this.consumer?.isReceiving === true;
  }

  private start(connection: NatsConnection): void {
    if (this.isStopping) return;
    this.consumer = startBatchConsumer({
      connection,
      stream: REQUESTS_STREAM,
      consumer: METERING_CONSUMER,
      ensure: async () => {
        const manager = await jetstreamManager(connection);
        await ensureRequestsStream(manager);
        await ensureMeteringConsumer(manager);
      },
      handler: (batch) => this.handle(batch),
      onAcknowledged: () => failPoint('metering.after_ack'),
      onEvent: (event) => this.report(event),
    });
  }

  private async handle(batch: readonly BatchMessage[]): Promise<void> {
    const startedAtMs = performance.now();
    const spans = this.startSpans(batch);
    const messages = batch.flatMap(toIncoming);
    this.reporter.took(messages.length);
    try {
      await this.ingest.ingest(messages, (booking) => this.reporter.committed(booking, performance.now() - startedAtMs));
    } catch (error) {
      this.reporter.failed();
      for (const span of spans) span.fail('redelivered');
      throw error;
    } finally {
      for (const span of spans) span.end();
    }
  }

  private startSpans(batch: readonly BatchMessage[]): TraceSpan[] {
    if (!this.tracing.isEnabled) return [];
    return batch.flatMap((message) => {
      const parent = readTraceparent(message.headers);
      return parent === null ? [] : this.tracing.startSpan('metering.book', { role: 'consumer', parent });
    });
  }

  private report(event: BatchConsumerEvent): void {
    if (event.type === 'started') this.logger.info('consuming');
    else if (event.type === 'handler_failed') {
      const { error: err, messages, retryInMs } = event;
      this.logger.error({ err, messages, retryInMs }, 'a batch failed and will be delivered again');
    } else {
      this.logger.warn({ err: event.error, retryInMs: event.retryInMs }, 'consuming was interrupted');
    }
  }
}
