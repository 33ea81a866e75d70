import { type DynamicModule, Module } from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { HealthModule } from '@tensorloop/nest-kit/health';
import { LoggingModule } from '@tensorloop/nest-kit/logging';
import { MetricsModule } from '@tensorloop/nest-kit/metrics';
import { ResponseSchemaInterceptor } from '@tensorloop/nest-kit/validation';
import type { Logger } from '@tensorloop/observability/logger';
import type { Metrics } from '@tensorloop/observability/metrics';
import type { Tracing } from '@tensorloop/observability/tracing';
import type { Config } from './config.js';
import { PublicOnlyGuard } from './health/public-only.guard.js';
import { KeysModule } from './keys/keys.module.js';
import { LifetimeModule } from './lifetime/lifetime.module.js';
import { ProxyModule } from './proxy/proxy.module.js';
import { RequestsModule } from './requests/requests.module.js';
import { SettingsModule } from './settings.module.js';

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
    return {
      module: AppModule,
      imports: [
        SettingsModule.forRoot(platform),
        LoggingModule.forRoot(platform.logger),
        MetricsModule.forRoot(platform.metrics),
        HealthModule,
        ProxyModule,
        KeysModule,
        RequestsModule,
        LifetimeModule,
      ],
      providers: [
        { provide: APP_GUARD, useClass: PublicOnlyGuard },
        { provide: APP_INTERCEPTOR, useClass: ResponseSchemaInterceptor },
      ],
    };
  }
}
