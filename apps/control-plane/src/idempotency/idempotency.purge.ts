import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { IdempotencyRepository } from './idempotency.repository.js';

const INTERVAL_MS = 10 * 60_000;
const ROWS_PER_BATCH_MAX = 1_000;
/** Of one round; what is left goes in the next. */
const BATCHES_MAX = 50;

/** Deletes answers that are remembered no longer. Every replica does; they skip the rows that another is at. */
@Injectable()
export class IdempotencyPurge implements OnModuleInit, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> = Promise.resolve();

  constructor(
    @Inject(IdempotencyRepository) private readonly repository: IdempotencyRepository,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.timer = setInterval(() => {
      this.round = this.round
        .then(() => this.purge())
        .then(undefined, (err) => this.logger.warn({ err }, 'old idempotent requests could not be deleted'));
    }, INTERVAL_MS);
    this.timer.unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.round;
  }

  /** One round. */
  async purge(): Promise<void> {
    for (let batch = 0; batch < BATCHES_MAX; batch++) {
      if ((await this.repository.purge(ROWS_PER_BATCH_MAX)) < ROWS_PER_BATCH_MAX) return;
    }
  }
}
