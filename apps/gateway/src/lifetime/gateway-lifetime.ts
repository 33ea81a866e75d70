import type { BeforeApplicationShutdown, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import type { AdmissionClient } from '@tensorloop/admission/admission-client';
import type { RecentAdmissions } from '@tensorloop/admission/recent-admissions';
import type { NatsLink } from '@tensorloop/messaging/connection';
import type { RpcClient } from '@tensorloop/nest-kit/rpc';
import type { Redis } from 'ioredis';
import type { AccountRestoring } from '../admission/account-restoring.service.js';
import type { RedisClock } from '../admission/redis-clock.service.js';
import type { DiskGuard } from '../journal/disk-guard.service.js';
import type { Journal } from '../journal/journal.service.js';
import type { JournalHome } from '../journal/journal-home.service.js';
import type { NatsWiring } from '../messaging/nats-wiring.service.js';
import type { CallDrain } from '../proxy/call-drain.service.js';
import type { Capacity } from '../proxy/capacity.service.js';
import type { Specimens } from '../proxy/specimens.service.js';
import type { Ticker } from '../proxy/ticker.service.js';
import type { BootRecovery } from '../recovery/boot-recovery.service.js';
import type { OwnerlessHolds } from '../recovery/ownerless-holds.service.js';
import type { Reassertions } from '../recovery/reassertions.service.js';
import type { RedisWrites } from '../settlement/redis-writes.service.js';
import type { Shipper } from '../settlement/shipper.service.js';
import type { Upstream } from '../upstreams/upstream.types.js';
import type { TokenEstimator } from '../usage/token-estimator.service.js';
import type { Standstill } from './standstill.js';

/** After the last call has ended, settle-acks are waited for this long: a journal that is empty lets the gateway sign off. */
export const ACKS_WAIT_MS = 2_000;
const ACKS_POLL_MS = 25;
/** How often keys without recent calls are forgotten. */
export const HOUSEKEEPING_MS = 60_000;

/** A start waits this long for NATS to say that nobody else has this gateway's id; without NATS it goes on without. */
export const REGISTRATION_WAIT_MS = 2_000;

/** A start waits this long for Redis to say what time it is; without Redis no call is admitted in any case. */
export const CLOCK_WAIT_MS = 1_000;
const MS_PER_SECOND = 1_000;
const MICROSECONDS_PER_MS = 1_000;

export interface GatewayLifetimeParts {
  home: JournalHome;
  journal: Journal;
  disk: DiskGuard;
  capacity: Capacity;
  boot: BootRecovery;
  reassertions: Reassertions;
  restoring: AccountRestoring;
  ownerless: OwnerlessHolds;
  admission: AdmissionClient;
  /** Rejects when another gateway has this one's id. */
  taken: Promise<never>;
  /** Ends the process, open calls first, with an exit code that says it failed. */
  endProcess: () => void;
  nats: NatsWiring;
  link: NatsLink;
  rpc: RpcClient;
  redis: Redis;
  recent: RecentAdmissions;
  clock: RedisClock;
  writes: RedisWrites;
  shipper: Shipper;
  drain: CallDrain;
  standstill: Standstill;
  ticker: Ticker;
  specimens: Specimens;
  upstream: Upstream;
  estimator: TokenEstimator;
}

/** The order in which a gateway comes up and goes down; everything else may assume it. */
export class GatewayLifetime implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private housekeeping: NodeJS.Timeout | null = null;

  constructor(private readonly parts: GatewayLifetimeParts) {}

  async onApplicationBootstrap(): Promise<void> {
    const clockIsKnown = this.followClock();
    await this.register();
    await clockIsKnown;
    await this.parts.boot.run();
    this.parts.capacity.recovered();
    this.parts.standstill.start();
    const { recent, clock } = this.parts;
    this.housekeeping = setInterval(() => recent.forget(clock.nowMs()), HOUSEKEEPING_MS);
    this.housekeeping.unref();
  }

  /** Rejects, and the process does not come up, where another gateway has this one's id. */
  private async register(): Promise<void> {
    const { nats, taken, ownerless, endProcess } = this.parts;
    void nats.registered.then(() => {
      ownerless.start();
      this.followRedis();
    });
    nats.start();
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, REGISTRATION_WAIT_MS);
    });
    await Promise.race([nats.registered, limit, taken]).finally(() => clearTimeout(timer));
    taken.catch(endProcess);
  }

  /** Asks Redis for the time at each connection, so that the first call's id is of its time too. */
  private followClock(): Promise<void> {
    const { redis, clock } = this.parts;
    return new Promise((resolve) => {
      setTimeout(resolve, CLOCK_WAIT_MS).unref();
      const isReady = () =>
        void redis.time().then(
          ([seconds, microseconds]) => {
            clock.note(Number(seconds) * MS_PER_SECOND + Number(microseconds) / MICROSECONDS_PER_MS);
            resolve();
          },
          // The connection is gone again; the next one is asked.
          () => undefined,
        );
      redis.on('ready', isReady);
      if (redis.status === 'ready') isReady();
    });
  }

  private followRedis(): void {
    const { redis, admission, reassertions, restoring } = this.parts;
    const isReady = () =>
      void admission.connected().then(
        () => {
          reassertions.redisIsReady(admission.runId);
          restoring.redisIsReady(admission.runId);
        },
        // The connection is gone again; the next one will say so.
        () => undefined,
      );
    redis.on('ready', isReady);
    if (redis.status === 'ready') isReady();
  }

  /** Before the HTTP server closes: it would wait for open streams without a deadline. */
  async beforeApplicationShutdown(): Promise<void> {
    const { drain, journal, shipper, writes, nats, boot, reassertions, restoring, ownerless, standstill } = this.parts;
    boot.stop();
    ownerless.stop();
    reassertions.stop();
    restoring.stop();
    await drain.drain();
    // Whoever stands still in the drain, which may take minutes, has calls open too.
    standstill.stop();
    await journal.flush();
    await nats.stopListening();
    await writes.close();
    await shipper.sweep();
    await this.waitForAcks();
  }

  async onApplicationShutdown(): Promise<void> {
    const { home, journal, disk, nats, link, rpc, redis, shipper, ticker, specimens, upstream, estimator } = this.parts;
    ticker.stop();
    specimens.close();
    if (this.housekeeping !== null) clearInterval(this.housekeeping);
    disk.stop();
    shipper.close();
    await nats.stop(journal.entries.size === 0);
    await Promise.allSettled([link.close(), rpc.close(), upstream.close(), estimator.close()]);
    redis.disconnect();
    await journal.close();
    home.close();
  }

  private async waitForAcks(): Promise<void> {
    const deadlineMs = performance.now() + ACKS_WAIT_MS;
    while (this.parts.link.isConnected && this.parts.journal.entries.size > 0 && performance.now() < deadlineMs) {
      await new Promise((resolve) => setTimeout(resolve, ACKS_POLL_MS));
    }
  }
}
