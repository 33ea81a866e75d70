import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { Metrics } from '@tensorloop/observability/metrics';
import { ErasureRepository } from './erasure.repository.js';

/** A deletion waits for days; whether it is carried out ten minutes later is nobody's concern. */
const ROUND_INTERVAL_MS = 10 * 60_000;
/** While there is more of an account to erase than a round does. */
const BUSY_INTERVAL_MS = 10_000;
/** Accounts per round. What is left waits for the next one. */
const ACCOUNTS_PER_ROUND_MAX = 50;
/** Pieces of one account per round, so that the others have their turn, and rows of a piece: far from any timeout. */
const PIECES_PER_ROUND_MAX = 200;
const ROWS_PER_PIECE_MAX = 1_000;
const ERROR_LENGTH_MAX = 200;

type Outcome = 'erased' | 'unfinished' | 'nothing';

/**
 * Carries deletions of accounts out, piece by piece. Any number of replicas may run it: the database lets one of them at an
 * account. What is done stays done, and an account that cannot be erased is put off, for longer each time, and keeps nobody
 * else.
 */
@Injectable()
export class ErasureService implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<unknown> = Promise.resolve();
  private isStopping = false;
  private isBusy = false;
  private readonly erased;
  private readonly due;

  constructor(
    @Inject(ErasureRepository) private readonly repository: ErasureRepository,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(Metrics) metrics: Metrics,
  ) {
    this.erased = metrics.counter({
      name: 'tensorloop_control_accounts_erased_total',
      help: 'Deletions of accounts carried out.',
    });
    this.due = metrics.gauge({
      name: 'tensorloop_control_erasures',
      help: 'Deletions of accounts whose grace is over: all that are due, and those that failed the last time.',
      labels: ['state'],
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

  /** Erases what is due. Returns how many accounts are gone; what fails is noted and tried again later. */
  async eraseDue(): Promise<number> {
    const outcomes: Outcome[] = [];
    for (const accountId of await this.repository.listDue(ACCOUNTS_PER_ROUND_MAX)) {
      if (this.isStopping) break;
      outcomes.push(await this.eraseOne(accountId));
    }
    this.isBusy = outcomes.includes('unfinished');
    const count = outcomes.filter((outcome) => outcome === 'erased').length;
    this.erased.inc(count);
    const { due, failing } = await this.repository.countDue();
    this.due.set({ state: 'due' }, due);
    this.due.set({ state: 'failing' }, failing);
    return count;
  }

  private async eraseOne(accountId: string): Promise<Outcome> {
    try {
      for (let piece = 0; piece < PIECES_PER_ROUND_MAX && !this.isStopping; piece++) {
        const step = await this.repository.erase(accountId, ROWS_PER_PIECE_MAX);
        if (step === 'more') continue;
        if (step === 'erased') this.logger.info({ accountId }, 'an account was erased');
        return step === 'erased' ? 'erased' : 'nothing';
      }
      return 'unfinished';
    } catch (err) {
      await this.noteFailure(accountId, err);
      return 'nothing';
    }
  }

  private async noteFailure(accountId: string, err: unknown): Promise<void> {
    try {
      const failures = await this.repository.noteFailure(accountId, reasonOf(err));
      this.logger.error({ err, accountId, failures }, 'an account could not be erased; it is tried again later');
    } catch (noteErr) {
      this.logger.error({ err, noteErr, accountId }, 'an account could not be erased, nor could that be noted');
    }
  }

  private schedule(): void {
    if (this.isStopping) return;
    this.timer = setTimeout(
      () => {
        this.round = this.eraseDue()
          .catch((err: unknown) => this.logger.warn({ err }, 'deletions that are due could not be looked up'))
          .then(() => this.schedule());
      },
      this.isBusy ? BUSY_INTERVAL_MS : ROUND_INTERVAL_MS,
    );
    // Nothing that a process must stay alive for.
    this.timer.unref();
  }
}

/** Its last line: before it Prisma quotes our own source. */
function reasonOf(err: unknown): string {
  const text = err instanceof Error ? err.message : String(err);
  return (text.trim().split('\n').at(-1) ?? '').slice(0, ERROR_LENGTH_MAX);
}
