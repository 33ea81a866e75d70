import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { Metrics } from '@tensorloop/observability/metrics';
import { CLOCK, type Clock } from '../clock.js';
import { ErasureRepository } from './erasure.repository.js';

/** A deletion waits for days; whether it is carried out ten minutes later is nobody's concern. */
const ROUND_INTERVAL_MS = 10 * 60_000;
/** Accounts per round. What is left waits for the next one. */
const ACCOUNTS_PER_ROUND_MAX = 50;

/** Carries deletions of accounts out. Any number of replicas may run it: the database lets one of them erase an account. */
@Injectable()
export class ErasureService implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<unknown> = Promise.resolve();
  private isStopping = false;
  private readonly erased;

  constructor(
    @Inject(ErasureRepository) private readonly repository: ErasureRepository,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(Metrics) metrics: Metrics,
  ) {
    this.erased = metrics.counter({
      name: 'tensorloop_control_accounts_erased_total',
      help: 'Deletions of accounts carried out.',
    });
  }

  onApplicationBootstrap(): void {
    this.schedule();
  }

  async onModuleDestroy(): Promise<void> {
    this.isStopping = true;
    clearTimeout(this.timer);
    await this.round;
  }

  /** Erases what is due. Returns how many accounts; what fails is logged and tried again in the next round. */
  async eraseDue(): Promise<number> {
    let count = 0;
    for (const accountId of await this.repository.listDue(new Date(this.clock()), ACCOUNTS_PER_ROUND_MAX)) {
      if (this.isStopping) break;
      try {
        if (!(await this.repository.erase(accountId))) continue;
        count += 1;
        this.logger.info({ accountId }, 'an account was erased');
      } catch (err) {
        this.logger.error({ err, accountId }, 'an account could not be erased');
      }
    }
    this.erased.inc(count);
    return count;
  }

  private schedule(): void {
    if (this.isStopping) return;
    this.timer = setTimeout(() => {
      this.round = this.eraseDue()
        .catch((err: unknown) => this.logger.warn({ err }, 'deletions that are due could not be looked up'))
        .then(() => this.schedule());
    }, ROUND_INTERVAL_MS);
    // Nothing that a process must stay alive for.
    this.timer.unref();
  }
}
