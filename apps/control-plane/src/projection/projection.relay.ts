import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { Metrics } from '@tensorloop/observability/metrics';
import { ProjectionService } from './projection.service.js';

/** The API delivers its own changes at once; this catches what it could not, and changes made by operators. */
const IDLE_INTERVAL_MS = 250;
const FAILURE_INTERVAL_MS = 1_000;

/** Background loop over the outbox. Any number of replicas may run it: every step is idempotent. */
@Injectable()
export class ProjectionRelay implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> = Promise.resolve();
  private isStopping = false;
  private isFailing = false;
  private readonly delivered;
  private readonly failing;

  constructor(
    @Inject(ProjectionService) private readonly projection: ProjectionService,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(Metrics) metrics: Metrics,
  ) {
    this.delivered = metrics.counter({
      name: 'tensorloop_control_projections_relayed_total',
      help: 'Key projections delivered by the relay.',
    });
    this.failing = metrics.gauge({
      name: 'tensorloop_control_relay_failing',
      help: '1 while key changes cannot be carried to Redis: revocations are then not in force.',
    });
    this.failing.set(0);
  }

  onApplicationBootstrap(): void {
    this.schedule(0);
  }

  async onModuleDestroy(): Promise<void> {
    this.isStopping = true;
    clearTimeout(this.timer);
    await this.round;
  }

  private schedule(delayMs: number): void {
    if (this.isStopping) return;
    this.timer = setTimeout(() => {
      this.round = this.runRound().then((nextMs) => this.schedule(nextMs));
    }, delayMs);
  }

  private async runRound(): Promise<number> {
    try {
      const count = await this.projection.drain();
      if (this.isFailing) this.logger.info('the relay delivers again');
      this.isFailing = false;
      this.failing.set(0);
      this.delivered.inc(count);
      return count > 0 ? 0 : IDLE_INTERVAL_MS;
    } catch (err) {
      // One line per outage.
      if (!this.isFailing) this.logger.warn({ err }, 'the relay cannot deliver; it keeps trying');
      this.isFailing = true;
      this.failing.set(1);
      return FAILURE_INTERVAL_MS;
    }
  }
}
