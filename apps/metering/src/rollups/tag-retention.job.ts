import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { TagRetentionService } from './tag-retention.service.js';

const INTERVAL_MS = 6 * 60 * 60 * 1_000;

/** Forgets old sums of tags when a replica has started, and four times a day. What fails is tried again the next time. */
@Injectable()
export class TagRetentionJob implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | null = null;
  private isOver = false;

  constructor(
    private readonly retention: TagRetentionService,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.run(), INTERVAL_MS);
    this.timer.unref();
    this.run();
  }

  /** Waits for the statement in hand only. */
  async onModuleDestroy(): Promise<void> {
    this.isOver = true;
    clearInterval(this.timer);
    await this.running;
  }

  private run(): void {
    this.running ??= this.forgetOld().finally(() => {
      this.running = null;
    });
  }

  private async forgetOld(): Promise<void> {
    try {
      const forgotten = await this.retention.forgetOld(() => this.isOver);
      if (forgotten.sums > 0) this.logger.info(forgotten, 'old sums of tags were removed');
    } catch (err) {
      this.logger.warn({ err }, 'old sums of tags could not be removed');
    }
  }
}
