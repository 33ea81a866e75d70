import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { Metrics } from '@tensorloop/observability/metrics';
import { CONFIG, type Config } from '../config.js';

export const REMINDER_INTERVAL_MS = 60_000;

/** A replica left replaying books and looks healthy, while pending amounts grow and new scopes are refused at the gateways. */
@Injectable()
export class ReplayReminder implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly isReplaying: boolean;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(CONFIG) config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(Metrics) metrics: Metrics,
  ) {
    this.isReplaying = config.REPLAYING === 'true';
    const gauge = metrics.gauge({ name: 'metering_replaying', help: '1 while gateways are told of no total (REPLAYING)' });
    gauge.set(this.isReplaying ? 1 : 0);
  }

  onApplicationBootstrap(): void {
    if (!this.isReplaying) return;
    this.remind();
    this.timer = setInterval(() => this.remind(), REMINDER_INTERVAL_MS);
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  private remind(): void {
    this.logger.warn('REPLAYING is on: gateways are told of no total; start again without it once nothing is pending');
  }
}
