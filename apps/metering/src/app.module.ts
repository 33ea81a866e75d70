import { type DynamicModule, Module } from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { HealthModule } from '@tensorloop/nest-kit/health';
import { LoggingModule } from '@tensorloop/nest-kit/logging';
import { MetricsModule } from '@tensorloop/nest-kit/metrics';
import { NatsModule } from '@tensorloop/nest-kit/nats';
import { ResponseSchemaInterceptor } from '@tensorloop/nest-kit/validation';
import type { Logger } from '@tensorloop/observability/logger';
import type { Metrics } from '@tensorloop/observability/metrics';
import type { Tracing } from '@tensorloop/observability/tracing';
import type { Config } from './config.js';
import { DatabaseModule } from './database/database.module.js';
import { PublicOnlyGuard } from './health/public-only.guard.js';
import { IngestModule } from './ingest/ingest.module.js';
import { RefusalsModule } from './refusals/refusals.module.js';
import { SettingsModule } from './settings.module.js';
import { TotalsModule } from './totals/totals.module.js';
import { UsageModule } from './usage/usage.module.js';

/** What a process hands to its app. */
export interface Platform {
  config: Config;
  logger: Logger;
  metrics: Metrics;
  tracing: Tracing;
}

@Module({})
export class AppModule {
  static forRoot(platform: Platform): DynamicModule {
    const { config, logger, metrics } = platform;
    return {
      module: AppModule,
      imports: [
        SettingsModule.forRoot(platform),
        LoggingModule.forRoot(logger),
        MetricsModule.forRoot(metrics),
        HealthModule,
        NatsModule.forRoot({
          url: config.NATS_URL,
          name: 'metering',
          waitsForConnection: false,
          onStatus: (event, detail) => logger.info({ event, detail }, 'nats'),
        }),
        DatabaseModule,
        IngestModule,
        RefusalsModule,
        TotalsModule,
        UsageModule,
      ],
      providers: [
        { provide: APP_GUARD, useClass: PublicOnlyGuard },
        { provide: APP_INTERCEPTOR, useClass: ResponseSchemaInterceptor },
      ],
    };
  }
}
