import { Inject, Injectable } from '@nestjs/common';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { ProblemFactory } from '@tensorloop/nest-kit/problem';
import { exhaustedHeaders, rateLimitHeaders } from '@tensorloop/nest-kit/rate-limit';
import type { Logger } from '@tensorloop/observability/logger';
import { Redis } from 'ioredis';
import { currentOrigin } from '../access/request-context.types.js';
import { CLOCK, type Clock } from '../clock.js';
import type { Counters, Entry } from './counters.types.js';
import { MemoryCounters } from './memory-counters.js';
import { RedisCounters } from './redis-counters.js';
import { throttleProblems } from './throttle.errors.js';
import { type Count, type LimitName, longestWait, type MailPurpose, policyOf } from './throttle.rules.js';

/** Requests whose address is not known share one bound: not knowing must not be a way around it. */
const UNKNOWN_NETWORK = 'unknown';

const PROBLEMS: Record<LimitName, ProblemFactory> = {
  failuresByVisitor: throttleProblems.sign_in_throttled,
  failuresByAccount: throttleProblems.sign_in_throttled,
  codeFailuresByAddress: throttleProblems.sign_in_throttled,
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
    const byVisitor = visitorOf(account);
    const byAccount: Count = { limit: 'failuresByAccount', subject: account };
    const byNetwork: Count = { limit: 'failuresByNetwork', subject: currentNetwork() };
    const counts = [byVisitor, byAccount, byNetwork] as const;
    await this.take(counts);
    const result = await this.countFailures(counts, work);
    if (result !== null) await this.change((counters) => counters.clear([byVisitor]));
    return result;
  }

  /**
   * Like `attempt`, for codes that were mailed to an address. Null too when there were too many, without trying: only an
   * address that somebody has gets this far, so that a refusal of its own would tell.
   */
  async attemptCode<T>(address: string, work: () => Promise<T | null>): Promise<T | null> {
    const counts: [Count] = [{ limit: 'codeFailuresByAddress', subject: address }];
    const nowMs = this.clock();
    const { isRefused } = await this.change((counters) => counters.enter(counts, nowMs));
    return isRefused ? null : this.countFailures(counts, work);
  }

  /** After the account's owner proved to be that in another way: what others guessed no longer keeps them out. */
  async forgive(account: string): Promise<void> {
    const byAccount: Count = { limit: 'failuresByAccount', subject: account };
    await this.change((counters) => counters.clear([byAccount, visitorOf(account)]));
  }

  /** Before a mail is asked for, whether or not there is anybody to write to. */
  async takeMail(account: string, purpose: MailPurpose): Promise<void> {
    await this.take(mailsTo(account, purpose));
  }

  /** After `takeMail`, where no mail is asked for after all. */
  async giveMailBack(account: string, purpose: MailPurpose): Promise<void> {
    await this.change((counters) => counters.giveBack(mailsTo(account, purpose)));
  }

  /**
   * Before anything else of a request to a credential endpoint. Returns headers that say what is left of this limit: it is the
   * network's own, and tells nothing of any address.
   */
  async takeRequest(): Promise<Record<string, string>> {
    const { standings } = await this.take([{ limit: 'requestsByNetwork', subject: currentNetwork() }]);
    const [standing] = standings;
    return standing === undefined ? {} : rateLimitHeaders(policyOf('requestsByNetwork'), standing);
  }

  /** Takes back what was counted when `work` was no failure, or says nothing of the password. */
  private async countFailures<T>(counts: readonly Count[], work: () => Promise<T | null>): Promise<T | null> {
    let result: T | null;
    try {
      result = await work();
    } catch (err) {
      await this.change((counters) => counters.giveBack(counts));
      throw err;
    }
    if (result !== null) await this.change((counters) => counters.giveBack(counts));
    return result;
  }

  /** Throws the refusal, with what limit it is of. Of those that are not full nothing is told: some are of an address. */
  private async take(counts: readonly [Count, ...Count[]]): Promise<Entry> {
    const nowMs = this.clock();
    const entry = await this.change((counters) => counters.enter(counts, nowMs));
    const full = entry.isRefused ? longestWait(counts, entry.standings) : null;
    if (full === null) return entry;
    throw PROBLEMS[counts[0].limit]({ headers: exhaustedHeaders(policyOf(full.limit), full.waitMs) });
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

/** An account as it is tried from the network of the request. */
function visitorOf(account: string): Count {
  return { limit: 'failuresByVisitor', subject: `${currentNetwork()} ${account}` };
}

function mailsTo(account: string, purpose: MailPurpose): [Count, Count] {
  return [
    { limit: 'mailsByAccount', subject: `${purpose} ${account}` },
    { limit: 'mailsByNetwork', subject: currentNetwork() },
  ];
}

/** The network of the request that is being served. */
export function currentNetwork(): string {
  return currentOrigin().ipPrefix || UNKNOWN_NETWORK;
}
