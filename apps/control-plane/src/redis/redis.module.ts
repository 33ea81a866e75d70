import { Inject, Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import { AdmissionClient } from '@tensorloop/admission/admission-client';
import { hotPathRedisOptions } from '@tensorloop/admission/redis-options';
import { HealthRegistry } from '@tensorloop/nest-kit/health';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { Redis } from 'ioredis';
import { CONFIG, type Config } from '../config.js';

/** Longer than a gateway's: minting may wait, and a version that Redis took must not be reported as missing. */
const COMMAND_TIMEOUT_MS = 1_000;

@Injectable()
class RedisLifetime implements OnApplicationShutdown {
  constructor(
    @Inject(Redis) private readonly redis: Redis,
    @Inject(HealthRegistry) health: HealthRegistry,
  ) {
    // Sign-in, lists and usage work without Redis, so its outage does not take the service out of rotation.
    health.register('redis', async () => void (await redis.ping()), { isRequired: false });
  }

  onApplicationShutdown(): void {
    this.redis.disconnect();
  }
}

@Module({
  providers: [
    {
      provide: Redis,
      inject: [CONFIG, LOGGER],
      useFactory: (config: Config, logger: Logger) => connect(config.REDIS_URL, logger),
    },
    { provide: AdmissionClient, inject: [Redis], useFactory: (redis: Redis) => new AdmissionClient(redis) },
    RedisLifetime,
  ],
  exports: [AdmissionClient, Redis],
})
export class RedisModule {}

function connect(url: string, logger: Logger): Redis {
  const redis = new Redis(url, { ...hotPathRedisOptions, commandTimeout: COMMAND_TIMEOUT_MS });
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
