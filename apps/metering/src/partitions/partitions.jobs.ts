import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { CLOCK, type Clock } from '@tensorloop/nest-kit/clock';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { type ConnectionOptions, Queue, Worker } from 'bullmq';
import { CONFIG, type Config } from '../config.js';
import { PartitionsService } from './partitions.service.js';

const QUEUE = 'metering-partitions';
/** The braces keep every key of a queue in one slot of a Redis Cluster. */
const PREFIX = '{bull}';
const JOB = 'ensure-ahead';
export const ENSURE_AHEAD_INTERVAL_MS = 6 * 60 * 60 * 1000;
const ATTEMPTS_MAX = 5;
const RETRY_DELAY_MS = 1_000;
const KEPT_JOBS_MAX = 20;
/** Redis may be down at shutdown, and its client would wait for it. */
const CLOSE_TIMEOUT_MS = 2_000;

/**
 * Creates partitions ahead of time: once at boot, then as a job of which one runs at a time over all replicas. Nothing
 * waits for Redis: without it the days are still ensured at boot and by the batches that need them.
 */
@Injectable()
export class PartitionsJobs implements OnApplicationBootstrap, OnModuleDestroy {
  private queue: Queue | undefined;
  private worker: Worker | undefined;
  private lastProblem = '';

  constructor(
    private readonly partitions: PartitionsService,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.partitions
      .ensureAhead(this.clock())
      .catch((err: unknown) => this.logger.warn({ err }, 'partitions could not be created at boot'));
    // BullMQ waits for its connection for ever when this is null, which is what a job runner should do.
    const connection: ConnectionOptions = { url: this.config.REDIS_URL, maxRetriesPerRequest: null };
    this.queue = new Queue(QUEUE, { connection, prefix: PREFIX });
    this.worker = new Worker(QUEUE, () => this.partitions.ensureAhead(this.clock()), { connection, prefix: PREFIX });
    this.queue.on('error', (err) => this.report(err));
    this.worker.on('error', (err) => this.report(err));
    this.worker.on('failed', (_job, err) => this.logger.error({ err }, 'creating partitions ahead failed'));
    this.queue
      .upsertJobScheduler(
        JOB,
        { every: ENSURE_AHEAD_INTERVAL_MS },
        {
          name: JOB,
          opts: {
            attempts: ATTEMPTS_MAX,
            backoff: { type: 'exponential', delay: RETRY_DELAY_MS },
            removeOnComplete: KEPT_JOBS_MAX,
            removeOnFail: KEPT_JOBS_MAX,
          },
        },
      )
      .catch((err: Error) => this.report(err));
  }

  async onModuleDestroy(): Promise<void> {
    const closing = Promise.allSettled([this.worker?.close(), this.queue?.close()]);
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise((resolve) => {
      timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
    });
    await Promise.race([closing, timeout]);
    clearTimeout(timer);
  }

  /** A Redis that is down says so at every attempt to reconnect: once is enough. */
  private report(err: Error): void {
    if (err.message === this.lastProblem) return;
    this.lastProblem = err.message;
    this.logger.warn({ err }, 'the job queue has no Redis; partitions are still created on demand');
  }
}
