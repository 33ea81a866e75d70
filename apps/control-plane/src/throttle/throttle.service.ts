import { Inject, Injectable } from '@nestjs/common';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { ProblemFactory } from '@tensorloop/nest-kit/problem';
import type { Logger } from '@tensorloop/observability/logger';
import { Redis } from 'ioredis';
import { currentOrigin } from '../access/request-context.types.js';
import { CLOCK, type Clock } from '../clock.js';
import type { Counters } from './counters.types.js';
import { MemoryCounters } from './memory-counters.js';
import { RedisCounters } from './redis-counters.js';
import { throttleProblems } from './throttle.errors.js';
import type { Count, LimitName } from './throttle.rules.js';

const MS_PER_SECOND = 1_000;
/** Requests whose address is not known share one bound: not knowing must not be a way around it. */
const UNKNOWN_NETWORK = 'unknown';

const PROBLEMS: Record<LimitName, ProblemFactory> = {
  failuresByAccount: throttleProblems.sign_in_throttled,
  failuresByNetwork: throttleProblems.sign_in_throttled,
  requestsByNetwork: throttleProblems.network_throttled,
  mailsByAccount: throttleProblems.mail_throttled,
  mailsByNetwork: throttleProblems.mail_throttled,
};

/**
 * Keeps credentials from being guessed and mailboxes from being flooded. Counted in Redis, so that replicas share one bound;
 * while Redis is away each process counts for itself, because signing in goes on and must not go on unbounded.
 */
@Injectable()
export class ThrottleService {
  private readonly shared: Counters;
  private readonly own: Counters = new MemoryCounters();
  private isDegraded = false;

  constructor(
    @Inject(Redis) redis: Redis,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.shared = new RedisCounters(redis);
  }

  /**
   * Runs `work`, for which null is a wrong password or code; refused without trying when there were too many. Counted before
   * it is made: guesses sent in parallel must not all pass. Who is signed in stays so.
   */
  async attempt<T>(account: string, work: () => Promise<T | null>): Promise<T | null> {
    const byAccount: Count = { limit: 'failuresByAccount', subject: account };
    const byNetwork: Count = { limit: 'failuresByNetwork', subject: currentNetwork() };
    await this.take([byAccount, byNetwork]);
    let result: T | null;
    try {
      result = await work();
    } catch (err) {
      // It said nothing about the password.
      await this.change((counters) => counters.giveBack([byAccount, byNetwork]));
      throw err;
    }
    if (result === null) return null;
    await this.change((counters) => counters.clear([byAccount]));
    await this.change((counters) => counters.giveBack([byNetwork]));
    return result;
  }

  /** After the account's owner proved to be that in another way: what others guessed no longer keeps them out. */
  async forgive(account: string): Promise<void> {
    await this.change((counters) => counters.clear([{ limit: 'failuresByAccount', subject: account }]));
  }

  /** Before a mail is asked for, whether or not there is anybody to write to. */
  async takeMail(account: string): Promise<void> {
    await this.take([
      { limit: 'mailsByAccount', subject: account },
      { limit: 'mailsByNetwork', subject: currentNetwork() },
    ]);
  }

  /** Before anything else of a request to a credential endpoint. */
  async takeRequest(): Promise<void> {
    await this.take([{ limit: 'requestsByNetwork', subject: currentNetwork() }]);
  }

  private async take(counts: readonly [Count, ...Count[]]): Promise<void> {
    const nowMs = this.clock();
    const wait = await this.change((counters) => counters.enter(counts, nowMs));
    if (wait === 0) return;
    const headers = { 'retry-after': String(Math.ceil(wait / MS_PER_SECOND)) };
    throw PROBLEMS[counts[0].limit]({ headers });
  }

  private async change<T>(work: (counters: Counters) => Promise<T>): Promise<T> {
    try {
      const result = await work(this.shared);
      this.isDegraded = false;
      return result;
    } catch (err) {
      if (!this.isDegraded) this.logger.warn({ err }, 'Redis does not count attempts to sign in; this process does by itself');
      this.isDegraded = true;
      return work(this.own);
    }
  }
}

/** The network of the request that is being served. */
export function currentNetwork(): string {
  return currentOrigin().ipPrefix || UNKNOWN_NETWORK;
}
