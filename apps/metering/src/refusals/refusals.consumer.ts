import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { type RequestRefused, requestRefusedSchema } from '@tensorloop/contracts/request-refused';
import { REQUEST_REFUSED_SUBJECT } from '@tensorloop/contracts/subjects';
import { NatsLink } from '@tensorloop/messaging/connection';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { Metrics } from '@tensorloop/observability/metrics';
import { RefusalsService } from './refusals.service.js';

/** Replicas share the messages. */
const QUEUE = 'metering-refusals';
/** Messages that wait for the database; beyond it they are dropped and counted, because bookings go first. */
export const WAITING_MAX = 64;
const FORGET_INTERVAL_MS = 60 * 60 * 1_000;

/** Writes refusals down as they come, one message at a time. What fails is dropped: nobody is owed it. */
@Injectable()
export class RefusalsConsumer implements OnApplicationBootstrap, OnModuleDestroy {
  private subscription: Subscription | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly waiting: RequestRefused[] = [];
  private writing: Promise<void> | null = null;
  private readonly dropped;
  private readonly leftOut;

  constructor(
    private readonly refusals: RefusalsService,
    @Inject(NatsLink) private readonly link: NatsLink,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(Metrics) metrics: Metrics,
  ) {
    this.dropped = metrics.counter({
      name: 'metering_refusal_messages_dropped_total',
      help: 'Messages about refused calls that were not written down.',
    });
    this.leftOut = metrics.counter({
      name: 'metering_refusals_left_out_total',
      help: 'Refusals that the database did not take, out of messages whose others were written down.',
    });
  }

  onApplicationBootstrap(): void {
    // Rejects only when the link is closed before it ever connected.
    this.link.ready.then((connection) => this.listen(connection)).catch(() => undefined);
    this.timer = setInterval(() => this.forgetOld(), FORGET_INTERVAL_MS);
    this.timer.unref();
    this.forgetOld();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    if (this.subscription?.isClosed() === false) this.subscription.unsubscribe();
    await this.writing;
  }

  private listen(connection: NatsConnection): void {
    this.subscription = connection.subscribe(REQUEST_REFUSED_SUBJECT, {
      queue: QUEUE,
      callback: (error, msg) => (error === null ? this.take(msg) : this.drop(error)),
    });
  }

  private take(msg: Msg): void {
    try {
      if (this.waiting.length >= WAITING_MAX) return this.drop(new Error('too many messages wait for the database'));
      this.waiting.push(requestRefusedSchema.parse(msg.json()));
      this.writing ??= this.writeAll().finally(() => {
        this.writing = null;
      });
    } catch (err) {
      this.drop(err);
    }
  }

  private async writeAll(): Promise<void> {
    for (let refused = this.waiting.shift(); refused !== undefined; refused = this.waiting.shift()) {
      await this.write(refused).catch((err: unknown) => this.drop(err));
    }
  }

  private async write(refused: RequestRefused): Promise<void> {
    const leftOut = await this.refusals.record(refused);
    if (leftOut === 0) return;
    this.leftOut.inc({}, leftOut);
    this.logger.warn({ leftOut, gatewayId: refused.gatewayId }, 'the database did not take some refusals');
  }

  private drop(err: unknown): void {
    this.dropped.inc();
    this.logger.warn({ err }, 'refused calls could not be written down');
  }

  private forgetOld(): void {
    this.refusals.forgetOld().catch((err: unknown) => this.logger.warn({ err }, 'old refusals could not be removed'));
  }
}
