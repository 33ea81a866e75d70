import { type DynamicModule, Module } from '@nestjs/common';
import { CLOCK, wallClock } from '@tensorloop/nest-kit/clock';
import type { Tracing } from '@tensorloop/observability/tracing';
import { CONFIG, type Config } from './config.js';
import { TRACING } from './tracing.types.js';

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
      ],
      exports: [CONFIG, CLOCK, TRACING],
    };
  }
}
