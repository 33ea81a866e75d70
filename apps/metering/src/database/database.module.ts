import { Global, Inject, Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import { createMeteringPool } from '@tensorloop/db/metering-pool';
import { HealthRegistry } from '@tensorloop/nest-kit/health';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import type { Pool } from 'pg';
import { CONFIG, type Config } from '../config.js';
import { INGEST_POOL, READ_POOL } from './database.types.js';

/** Closes the pools in the last hook: bookings and RPC answers in progress end before it. */
@Injectable()
class DatabaseLifetime implements OnApplicationShutdown {
  constructor(
    @Inject(INGEST_POOL) private readonly ingest: Pool,
    @Inject(READ_POOL) private readonly read: Pool,
    @Inject(HealthRegistry) health: HealthRegistry,
  ) {
    health.register('postgres', async () => {
      await Promise.all([ingest.query('SELECT'), read.query('SELECT')]);
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([this.ingest.end(), this.read.end()]);
  }
}

function openPool(url: string, name: string, logger: Logger): Pool {
  return createMeteringPool(url, {
    name,
    onIdleError: (err) => logger.warn({ err, pool: name }, 'an idle database connection was lost'),
  });
}

@Global()
@Module({
  providers: [
    {
      provide: INGEST_POOL,
      inject: [CONFIG, LOGGER],
      useFactory: (config: Config, logger: Logger) => openPool(config.INGEST_DATABASE_URL, 'metering ingest', logger),
    },
    {
      provide: READ_POOL,
      inject: [CONFIG, LOGGER],
      useFactory: (config: Config, logger: Logger) => openPool(config.DATABASE_URL, 'metering read', logger),
    },
    DatabaseLifetime,
  ],
  exports: [INGEST_POOL, READ_POOL],
})
export class DatabaseModule {}
