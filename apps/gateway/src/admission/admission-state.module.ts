import { Module } from '@nestjs/common';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import { AdmissionView } from '@tensorloop/admission/admission-view';
import { RecentAdmissions } from '@tensorloop/admission/recent-admissions';
import { hotPathRedisOptions } from '@tensorloop/admission/redis-options';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { Redis } from 'ioredis';
import { CONFIG, type Config } from '../config.js';
import { InFlight } from './in-flight.service.js';
import { RedisClock } from './redis-clock.service.js';

/** Redis, and what this gateway remembers about it. */
@Module({
  providers: [
    {
      provide: Redis,
      inject: [CONFIG, LOGGER],
      useFactory: (config: Config, logger: Logger) => connect(config.REDIS_URL, logger),
    },
    {
      provide: AdmissionClient,
      inject: [Redis, CONFIG],
      useFactory: (redis: Redis, config: Config) => new AdmissionClient(redis, undefined, config.REDIS_CALL_MS),
    },
    { provide: AdmissionView, inject: [Redis], useFactory: (redis: Redis) => new AdmissionView(redis) },
    InFlight,
    RecentAdmissions,
    RedisClock,
  ],
  exports: [Redis, AdmissionClient, AdmissionView, InFlight, RecentAdmissions, RedisClock],
})
export class AdmissionStateModule {}

function connect(url: string, logger: Logger): Redis {
  const redis = new Redis(url, hotPathRedisOptions);
  let lastMessage = '';
  redis.on('ready', () => {
    lastMessage = '';
    logger.info('connected to Redis');
  });
  redis.on('error', (error: Error) => {
    // One line per outage and not one per attempt to reconnect.
    if (error.message !== lastMessage) logger.warn({ err: error }, 'Redis is not reachable');
    lastMessage = error.message;
  });
  return redis;
}
