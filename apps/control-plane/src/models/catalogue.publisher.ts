import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { HealthRegistry } from '@tensorloop/nest-kit/health';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { ModelsService } from './models.service.js';

/** The file is looked at and the tables are compared with the snapshot this often, which finds what operators and seeding change. */
const COMPARE_INTERVAL_MS = 2_000;
const FAILURE_INTERVAL_MS = 500;

/** Keeps the catalogue snapshot in line with the tables, from boot on and through outages of NATS and PostgreSQL. */
@Injectable()
export class CataloguePublisher implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> = Promise.resolve();
  private isStopping = false;
  private isPublished = false;
  private lastProblem = '';
  private fileProblem = '';

  constructor(
    @Inject(ModelsService) private readonly models: ModelsService,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(HealthRegistry) health: HealthRegistry,
  ) {
    // Gateways that start cold need it once; afterwards they keep their own copy.
    health.register('model_catalogue', async () => {
      if (!this.isPublished) throw new Error('not published yet');
    });
    // The last good catalogue stays in force, so a mistake in the file stops nobody; but somebody should see it.
    health.register(
      'model_catalogue_file',
      async () => {
        if (this.fileProblem !== '') throw new Error('the file was not applied; the log says why');
      },
      { isRequired: false },
    );
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
    await this.applyFile();
    try {
      const revision = await this.models.publishCatalogue();
      if (revision !== null) this.logger.info({ revision }, 'published the model catalogue');
      this.isPublished = true;
      this.lastProblem = '';
      return COMPARE_INTERVAL_MS;
    } catch (err) {
      const problem = err instanceof Error ? err.message : String(err);
      // One line per outage.
      if (problem !== this.lastProblem) this.logger.warn({ err }, 'the model catalogue cannot be published; trying again');
      this.lastProblem = problem;
      return FAILURE_INTERVAL_MS;
    }
  }

  /** What cannot be applied does not keep the tables from being published. */
  private async applyFile(): Promise<void> {
    try {
      const written = await this.models.applyFile();
      if (written !== null) this.logger.info({ models: written }, 'applied the model catalogue file');
      this.fileProblem = '';
    } catch (err) {
      const problem = err instanceof Error ? err.message : String(err);
      if (problem !== this.fileProblem) this.logger.error({ err }, 'the model catalogue file was not applied');
      this.fileProblem = problem;
    }
  }
}
