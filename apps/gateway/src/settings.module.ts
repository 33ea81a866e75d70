import { type DynamicModule, Module } from '@nestjs/common';
import { CLOCK, wallClock } from '@tensorloop/nest-kit/clock';
import { Metrics } from '@tensorloop/observability/metrics';
import type { Tracing } from '@tensorloop/observability/tracing';
import { CONFIG, type Config } from './config.js';
import { GatewayMetrics } from './health/gateway-metrics.service.js';

/** Injection token of the process's tracing. */
export const TRACING = Symbol('TRACING');

/** What the process was started with, everywhere. */
@Module({})
export class SettingsModule {
  static forRoot({ config, tracing }: { config: Config; tracing: Tracing }): DynamicModule {
    return {
      module: SettingsModule,
      global: true,
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: CLOCK, useValue: wallClock(config.CLOCK_SKEW_MS) },
        { provide: TRACING, useValue: tracing },
        { provide: GatewayMetrics, inject: [Metrics], useFactory: (metrics: Metrics) => new GatewayMetrics(metrics) },
      ],
      exports: [CONFIG, CLOCK, TRACING, GatewayMetrics],
    };
  }
}
